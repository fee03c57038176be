"""Aborts its process."""
# thread, task: host dies
# process: failed | SIGABRT
import os

def run():
    os.abort()
