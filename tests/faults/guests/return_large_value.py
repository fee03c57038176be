"""Returns 100 MB."""
# thread, task, process: succeeded | larger than
def run():
    return "x" * 100_000_000
