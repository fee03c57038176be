"""Leaves a process behind."""
# thread, task: succeeded | left behind 1 process: sleep
# process: succeeded
import subprocess

KEPT = []

def run():
    KEPT.append(subprocess.Popen(["sleep", "5"]))
