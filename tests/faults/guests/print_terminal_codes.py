"""Prints what would take over a terminal."""
# thread, task, process: succeeded | over
def run():
    print("\x1b[2J\x1b]0;title\x07\x1b[?1049h\x1b[8mover")
