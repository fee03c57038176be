"""Raises the last of a chain of ten thousand."""
# thread, task, process: failed | ValueError: 9999
def run():
    error = None
    for number in range(10_000):
        new = ValueError(number)
        new.__cause__ = error
        error = new
    raise error
