"""Raises what ends iterators."""
# thread, process: failed | StopIteration
# task: failed | StopIteration
def run():
    raise StopIteration
