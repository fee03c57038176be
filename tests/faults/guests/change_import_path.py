"""Adds a folder to the import path."""
# thread, task: succeeded | changed sys.path (added /nowhere); this is left as it is
# process: succeeded
import sys

def run():
    sys.path.insert(0, "/nowhere")
