"""Hides exceptions that nobody catches."""
# thread, task: succeeded | changed a hook for exceptions that nobody catches
# process: succeeded
import sys
import threading

def run():
    sys.excepthook = threading.excepthook = lambda *given: None
