"""Puts something else in the place of a built-in function."""
# thread, task: succeeded | changed built-in names: open
# process: succeeded
import builtins

def run():
    builtins.open = lambda *given: 1 / 0
