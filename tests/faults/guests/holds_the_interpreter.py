"""Computes in C for seconds, and lets no other thread go on."""
# thread, task: succeeded | stalled the interpreter
# process: succeeded
import time

def run():
    size = 20_000_000
    while True:
        began = time.monotonic()
        sum(range(size))
        if time.monotonic() - began > 2.5:
            return
        size *= 2
