"""Takes the standard streams away."""
# thread, task: succeeded | changed sys.stderr
# process: succeeded
import sys

def run():
    sys.stdin = sys.stdout = sys.stderr = None
