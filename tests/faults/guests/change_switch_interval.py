"""Has threads change places once in a minute."""
# thread, task: succeeded | changed the switch interval of threads
# process: succeeded
import sys

def run():
    sys.setswitchinterval(60)
