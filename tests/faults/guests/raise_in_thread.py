"""Fails in a thread that it waits for."""
# thread, task, process: succeeded | ZeroDivisionError
from threading import Thread

def run():
    thread = Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
