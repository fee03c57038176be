"""Raises what ends generators."""
# thread, task, process: failed | GeneratorExit
def run():
    raise GeneratorExit
