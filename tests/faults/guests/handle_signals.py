"""Wants to handle a signal, which only the main thread may."""
# thread, task: failed | signal only works in main thread
# process: succeeded
import signal

def run():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
