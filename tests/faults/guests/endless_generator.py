"""Returns a generator without an end."""
# thread, task, process: succeeded | value of type generator
def run():
    return (number for number in iter(int, 1))
