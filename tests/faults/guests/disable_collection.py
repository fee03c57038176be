"""Disables the garbage collector."""
# thread, task: succeeded | changed the settings of the garbage collector
# process: succeeded
import gc

def run():
    gc.disable()
