"""Says that there is no memory."""
# thread, task, process: failed | MemoryError
def run():
    raise MemoryError
