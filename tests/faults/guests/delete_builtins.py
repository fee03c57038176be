"""Deletes a built-in function."""
# thread, task: succeeded | changed built-in names: breakpoint
# process: succeeded
import builtins

def run():
    del builtins.breakpoint
