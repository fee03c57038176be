"""Computes in C for seconds, and lets no other thread go on."""
# thread, task: succeeded | stalled the interpreter
# process: succeeded
import time

def run():
    few, began = 5_000_000, time.monotonic()
    sum(range(few))
    return sum(range(int(few * 2.5 / (time.monotonic() - began)))) > 0
