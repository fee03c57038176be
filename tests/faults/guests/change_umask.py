"""Sets the umask."""
# thread, task: succeeded | changed the umask
# process: succeeded
import os

def run():
    os.umask(0o077)
