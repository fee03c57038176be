"""Prints half a million lines."""
# thread, task, process: succeeded | bytes dropped
import sys

def run():
    sys.stdout.writelines(f"line {number}\n" for number in range(500_000))
