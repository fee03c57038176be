"""Takes processor time without end."""
# header: cpu = "1s"
# process: failed | SIGXCPU
def run():
    while True:
        pass
