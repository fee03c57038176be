"""Prints what is no text."""
# thread, task, process: succeeded | half
import sys

def run():
    sys.stdout.buffer.write(b"\xff\xfe\x00half \xc3")
    sys.stdout.buffer.flush()
