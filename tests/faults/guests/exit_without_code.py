"""Leaves early, and all is well."""
# thread, task, process: succeeded | exited with code 0
import sys

def run():
    sys.exit()
