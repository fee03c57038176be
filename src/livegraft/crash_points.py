"""Named places at which a test has the process die, as by ``kill -9``: between two steps that belong together.

With ``LIVEGRAFT_CRASH_AT="run written"`` in its environment a process dies when it comes there, with
``"run written:3"`` when it does so for the third time. Without it a place costs one look at a variable.
"""

from __future__ import annotations

import os
import signal
from typing import Final

CRASH_POINTS: Final = (
    "run written",
    "run begins",
    "run begun",
    "run ended",
    "output written",
    "end written",
    "retry written",
    "claim written",
    "slot written half",
    "switch begins",
    "switch done",
    "schema changed",
    "process entered",
    "run lost",
    "process buried",
    "stop begins",
    "runs stopped",
)
"""Every place, in the order of a run's life and then of a process's."""

_armed = ""
_left = 0


def arm(told: str) -> None:
    """Die at a place, ``NAME`` or ``NAME:COUNT``; "" for nowhere. Raises ValueError for a place that there is not."""
    global _armed, _left
    name, _, count = told.partition(":")
    if name and name not in CRASH_POINTS:
        raise ValueError(f"expected LIVEGRAFT_CRASH_AT to name one of {', '.join(CRASH_POINTS)}, got: {name!r}")
    _armed, _left = name, int(count or 1)


def crash_point(name: str) -> None:
    """Die here if a test wants it."""
    global _left
    if _armed == name:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.pop("LIVEGRAFT_CRASH_AT", ""))
