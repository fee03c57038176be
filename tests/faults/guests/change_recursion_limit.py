"""Lowers the recursion limit."""
# thread, task: succeeded | changed the recursion limit
# process: succeeded
import sys

def run():
    sys.setrecursionlimit(300)
