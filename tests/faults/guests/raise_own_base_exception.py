"""Raises what no `except Exception` catches."""
# thread, task, process: failed | Odd: caught by nobody
class Odd(BaseException):
    pass

def run():
    raise Odd("caught by nobody")
