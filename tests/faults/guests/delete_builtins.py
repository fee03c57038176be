"""Deletes a built-in function."""
# thread, task: succeeded | changed built-in names: sorted
# process: succeeded
import builtins

def run():
    del builtins.sorted
