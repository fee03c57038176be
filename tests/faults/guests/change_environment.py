"""Sets a variable of the environment."""
# thread, task: succeeded | changed environment variables: A_GUEST_WAS_HERE; this is left as it is
# process: succeeded
import os

def run():
    os.environ["A_GUEST_WAS_HERE"] = "1"
