"""Leaves with a message instead of a code."""
# thread, task, process: failed | no disk
import sys

def run():
    sys.exit("no disk")
