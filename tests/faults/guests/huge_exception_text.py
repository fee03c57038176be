"""Raises what prints 100 MB."""
# thread, task, process: failed | ValueError: xxx
def run():
    raise ValueError("x" * 100_000_000)
