"""Ends its process without a word."""
# thread, task: host dies
# process: failed | its process ended with status 7
import os

def run():
    os._exit(7)
