"""Forks, and goes on as two."""
# thread, task: succeeded
# process: succeeded
import os
import warnings

def run():
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
