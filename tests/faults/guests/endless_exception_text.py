"""Raises what takes for ever to print."""
# thread, task, process: timed out | timeout
class Rude(Exception):
    def __str__(self):
        while True:
            pass

def run():
    raise Rude
