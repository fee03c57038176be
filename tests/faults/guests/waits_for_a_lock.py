"""Waits for a lock that it holds."""
# thread, task: stuck | did not stop when asked and interrupted
# process: timed out | timeout
from threading import Lock

def run():
    lock = Lock()
    lock.acquire()
    lock.acquire(timeout=25)
