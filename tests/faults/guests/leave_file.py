"""Leaves a file open."""
# thread, task: succeeded | left behind 1 open file: /etc/hostname
# process: succeeded
KEPT = []

def run():
    KEPT.append(open("/etc/hostname"))
