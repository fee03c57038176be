"""Raises what Ctrl-C raises."""
# thread, task, process: failed | KeyboardInterrupt
def run():
    raise KeyboardInterrupt
