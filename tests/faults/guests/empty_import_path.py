"""Empties the import path."""
# thread, task: succeeded | changed sys.path
# process: succeeded
import sys

def run():
    sys.path[:] = sys.path[::-1]
