"""Computes in C for seconds, and lets no other thread go on."""
# thread, task: succeeded | stalled the interpreter
# process: succeeded
def run():
    return sum(range(120_000_000)) > 0
