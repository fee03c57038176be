"""Raises what was caused by itself."""
# thread, task, process: failed | ValueError: second
def run():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise second
