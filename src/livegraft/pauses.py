"""Short pauses in long work, so that the host's own threads get the interpreter between two slices."""

from __future__ import annotations

import time
from typing import Final

SLICE_SECONDS: Final = 0.002
"""Python's own switch comes after 5 ms, and every system call of the host waits for one."""

_PAUSE_SECONDS: Final = 0.00005
"""Long enough for a thread that waits to be woken; a pause of zero ends before it is."""

_SIGN_OF_LIFE_SECONDS: Final = 0.00002


class Pauses:
    """Called between two pieces of work: pauses for a moment when a slice is over and other threads are at work too.

    A start in a process that has nothing else to do is not slowed down. For one thread.
    """

    def __init__(self) -> None:
        self._next = time.monotonic() + SLICE_SECONDS
        self._others = _others_seconds()

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        others = _others_seconds()
        if others - self._others > _SIGN_OF_LIFE_SECONDS:
            time.sleep(_PAUSE_SECONDS)
        self._others = others
        self._next = time.monotonic() + SLICE_SECONDS


def _others_seconds() -> float:
    """Processor time of all other threads of the process."""
    return time.process_time() - time.thread_time()
