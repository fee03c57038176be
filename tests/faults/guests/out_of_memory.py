"""Asks for more memory than any machine has."""
# thread, task, process: failed | MemoryError
def run():
    return bytes(1 << 62)
