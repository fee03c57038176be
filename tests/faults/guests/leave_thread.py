"""Leaves a thread behind."""
# thread, task: succeeded | left behind 1 thread: sleeper
# process: succeeded
import time
from threading import Thread

def run():
    Thread(target=time.sleep, args=(5,), name="sleeper", daemon=True).start()
