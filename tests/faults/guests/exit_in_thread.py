"""Exits in a thread."""
# thread, task, process: succeeded | went on
import sys
from threading import Thread

def run():
    thread = Thread(target=sys.exit, args=(9,))
    thread.start()
    thread.join()
    return "went on"
