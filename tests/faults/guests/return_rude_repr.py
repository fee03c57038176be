"""Returns what exits when it is printed."""
# thread, task, process: succeeded | value of type Rude
import sys

class Rude:
    def __repr__(self):
        sys.exit(9)

def run():
    return Rude()
