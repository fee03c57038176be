"""Starts a daemon in a session of its own, twice removed."""
# thread, task, process: succeeded
import subprocess

def run():
    subprocess.run(["sh", "-c", "setsid sh -c 'sleep 5 &' &"], check=True)
