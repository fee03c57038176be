"""Raises what cannot be printed."""
# thread, task, process: failed | Rude
class Rude(Exception):
    def __str__(self):
        raise RuntimeError("not even that")

def run():
    raise Rude
