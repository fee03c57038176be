"""Kills its process."""
# thread, task: host dies
# process: failed | SIGKILL
import os

def run():
    os.kill(os.getpid(), 9)
