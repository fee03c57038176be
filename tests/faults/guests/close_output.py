"""Closes the standard output."""
# thread, task, process: succeeded | went on
import sys

def run():
    sys.stdout.close()
    return "went on"
