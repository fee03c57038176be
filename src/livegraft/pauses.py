"""Short pauses in long work, so that the host's own threads get the interpreter between two slices."""

from __future__ import annotations

import time
from typing import Final

SLICE_SECONDS: Final = 0.002
"""Python's own switch comes after 5 ms, and every system call of the host waits for one."""

_PAUSE_SECONDS: Final = 0.00005
"""Long enough for a thread that waits to be woken; a pause of zero ends before it is."""


class Pauses:
    """Called between two pieces of work: pauses for a moment when the last pause is a slice ago."""

    def __init__(self) -> None:
        self._next = time.monotonic() + SLICE_SECONDS

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            time.sleep(_PAUSE_SECONDS)
            self._next = time.monotonic() + SLICE_SECONDS
