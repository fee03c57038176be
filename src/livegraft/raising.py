"""Raising an exception in another thread: it strikes at the thread's next bytecode, whenever that is.

Before 3.13 the interpreter has one mark for all of its threads that something is to be raised in one of them, and
takes it away when the exception strikes. If that thread waits in C, every call of every other thread stops to look
until then (40 % more for an empty function, on 3.12), and a thread with a trace or profile function never comes into
the next function that it calls (3.11: ``RESUME`` is tried again for as long as the mark stands). So the mark is taken
away at once, here: a thread that has something to raise sets it again as soon as it goes on.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import Final

_HAS_ONE_MARK: Final = sys.version_info < (3, 13)
_STEPS: Final = 1_000


class _NothingError(BaseException):
    """Raised and caught here, for what the interpreter does when an exception strikes."""


def raise_in(thread: int, error: type[BaseException]) -> bool:
    """Raise an exception in the thread of this ident; False when there is none.

    It takes the place of one that was to be raised there and did not strike yet.
    """
    found = _set(thread, error)
    if _HAS_ONE_MARK and thread != threading.get_ident():
        take_back()
    return found


def take_back() -> None:
    """Take back what is to be raised in this thread and did not strike yet, and the interpreter's mark.

    Raising "nothing" in it would leave the mark. So another exception takes the place, and is caught here.
    """
    try:
        _set(threading.get_ident(), _NothingError)
        for _ in range(_STEPS):  # it strikes at one of these
            pass
    except _NothingError:
        pass


def _set(thread: int, error: type[BaseException]) -> bool:
    return bool(ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error)))
