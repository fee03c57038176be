"""Takes memory without end."""
# header: memory = "64MB"
# process: failed | MemoryError
def run():
    held = []
    while True:
        held.append(bytes(10_000_000))
