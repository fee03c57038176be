"""Raises many at once."""
# thread, task, process: failed | two of them (2 sub-exceptions)
def run():
    raise ExceptionGroup("two of them", [ValueError(1), OSError(2)])
