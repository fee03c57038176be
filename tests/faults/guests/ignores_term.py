"""Ignores the signal that asks it to end."""
# process: timed out | timeout
import signal
import time

def run():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
