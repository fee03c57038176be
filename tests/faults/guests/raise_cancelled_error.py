"""Raises what cancels tasks."""
# thread, task, process: failed | CancelledError
from asyncio import CancelledError

def run():
    raise CancelledError
