"""Asks a person who is not there."""
# thread, task, process: failed | EOFError
def run():
    return input("Go on? ")
