"""Reads where no memory is."""
# thread, task: host dies
# process: failed | SIGSEGV
import ctypes

def run():
    ctypes.string_at(0)
