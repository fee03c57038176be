"""Sets the alarm clock, which would end the host."""
# thread, task: succeeded | changed the alarm clock of the process (set)
# process: succeeded
import signal

def run():
    signal.alarm(2)
