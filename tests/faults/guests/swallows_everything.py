"""Catches whatever should stop it."""
# thread, task: stuck | did not stop when asked and interrupted
# process: timed out | timeout
import time

def run():
    end = time.monotonic() + 25
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                time.sleep(0.001)
        except BaseException:
            pass
