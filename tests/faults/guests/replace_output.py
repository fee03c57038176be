"""Puts something else in the place of the standard output."""
# thread, task: succeeded | changed sys.stdout
# process: succeeded
import io
import sys

def run():
    sys.stdout = io.StringIO()
