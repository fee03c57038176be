"""Returns a list that contains itself."""
# thread, task, process: succeeded | refers to itself
def run():
    ring = []
    ring.append(ring)
    return ring
