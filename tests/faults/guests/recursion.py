"""Calls itself without end."""
# thread, task, process: failed | RecursionError
def deeper(depth):
    deeper(depth + 1)

def run():
    deeper(0)
