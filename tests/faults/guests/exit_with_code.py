"""Leaves with an exit code."""
# thread, task, process: failed | exited with code 3
import sys

def run():
    sys.exit(3)
