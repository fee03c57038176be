"""A host to be killed: it is forked with all modules loaded, and its minutes are short.

It tells its parent, a line each: ``ready`` when it has started, ``+ID`` of each run that was acknowledged, and
``=ID STATE`` of each whose end was.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from livegraft import Supervisor, crash_points
from livegraft.run import Trigger
from livegraft.runner.watchdog import watchdog

SPEED: Final = 300.0
"""A minute, which is as often as a cron line can have a slot, lasts a fifth of a second."""

_PAUSE_SECONDS: Final = 0.02

DOORS: Final = 3
"""Threads that start runs at once, as requests of a web server do."""


class FastClock:
    """The wall clock, many times as fast; it goes on from the same beginning in every process."""

    def __init__(self, base: float) -> None:
        self._base = base

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._base + (time.time() - self._base) * SPEED, UTC)

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else seconds / SPEED)


def fork(repository: Path, data: Path, base: float, crash_at: str) -> tuple[int, int]:
    """Start a host; its pid, and the descriptor from which its lines are read."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writes)
        return pid, reads
    try:
        os.close(reads)
        os.setsid()
        _serve(repository, data, base, crash_at, writes)
    except BaseException:  # noqa: BLE001 - this process must never go on as its parent
        (data / f"failed-{os.getpid()}.log").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(3)


def _serve(repository: Path, data: Path, base: float, crash_at: str, tells: int) -> None:
    logging.disable(logging.ERROR)
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: leaving.set())
    crash_points.arm(crash_at)
    watchdog.start = lambda *told, **begun: None  # type: ignore[method-assign]  # it would be a process more for each
    watchdog.stop = lambda *told: None  # type: ignore[method-assign]
    supervisor = Supervisor(
        repository,
        data=data,
        clock=FastClock(base),
        poll_seconds=0.3 * SPEED,
        probe=False,
        environments=False,
        breaker_failures=0,
        settle_seconds=0,  # no death is judged: it is killed from outside
    )
    with supervisor:
        os.write(tells, b"ready\n")
        for number in range(DOORS):
            threading.Thread(target=_start_runs, args=(supervisor, number, tells, leaving), daemon=True).start()
        leaving.wait()
        supervisor.hurry()
    os._exit(0)


def _start_runs(supervisor: Supervisor, number: int, tells: int, leaving: threading.Event) -> None:
    scripts = ("busy", "single", "fails")
    while not leaving.is_set():
        run = supervisor.submit(scripts[number], {}, trigger=Trigger.API, actor="crash")
        os.write(tells, f"+{run.id}\n".encode())
        record = run.wait(5)
        if record.ended_at is not None and record.state != "stuck":
            os.write(tells, f"={run.id} {record.state}\n".encode())
        leaving.wait(_PAUSE_SECONDS)
