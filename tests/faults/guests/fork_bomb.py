"""Starts processes that start processes, each in a session of its own."""
# header: processes = 20
# process: failed | expected at most 20 processes
import os
import time

def run():
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if os.fork() == 0:
            os.setsid()
        time.sleep(0.3)
