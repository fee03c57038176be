"""Exits while something is deleted."""
# thread, task, process: succeeded | went on
import sys

class Rude:
    def __del__(self):
        sys.exit(9)

def run():
    Rude()
    return "went on"
