"""Returns a dictionary that fails when it is read."""
# thread, task, process: succeeded
class Rude(dict):
    def items(self):
        raise OSError("not mine")

def run():
    return Rude(a=1)
