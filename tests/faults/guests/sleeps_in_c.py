"""Sleeps where no exception reaches it."""
# thread, task: stuck | did not stop when asked and interrupted
# process: timed out | timeout
import time

def run():
    time.sleep(25)
