"""Hides an exit in a group."""
# thread, task, process: failed | with an exit (1 sub-exception)
def run():
    raise BaseExceptionGroup("with an exit", [SystemExit(3)])
