"""Goes to another working directory."""
# thread, task: succeeded | changed the working directory
# process: succeeded
import os

def run():
    os.chdir("/")
