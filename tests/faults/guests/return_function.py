"""Returns what is no data."""
# thread, task, process: succeeded | value of type function
def run():
    return lambda: None
