"""Prints a line of 50 MB."""
# thread, task, process: succeeded | bytes dropped
def run():
    print("x" * 50_000_000)
