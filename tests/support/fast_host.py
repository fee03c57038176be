"""A host program to be killed: its minutes last a second, and it tells each run that was acknowledged.

``python -m tests.support.fast_host REPOSITORY DATA BASE``: BASE is the unix time at which the fast clock began.
"""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from livegraft import Supervisor

SPEED = 60.0


class FastClock:
    """The wall clock, sixty times as fast; it goes on from the same beginning after a restart."""

    def __init__(self, base: float) -> None:
        self._base = base

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._base + (time.time() - self._base) * SPEED, UTC)

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else seconds / SPEED)


def main() -> None:
    repository, data, base = sys.argv[1:]
    clock = FastClock(float(base))
    # No death is judged: it is killed from outside, again and again.
    with Supervisor(repository, data=Path(data), clock=clock, poll_seconds=0.5, settle_seconds=0) as supervisor:
        n = 0
        while True:
            n += 1
            print(supervisor.run("busy", n=n).id, flush=True)
            time.sleep(0.05)


if __name__ == "__main__":
    main()
