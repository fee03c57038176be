"""Figures of schedules: what 10,000 of them cost while nothing is due, and how late a tick starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, median, percentile, seconds, told
from livegraft.clock import SystemClock
from livegraft.run import RunRecord
from livegraft.schedule import Schedule
from livegraft.store.sqlite import open_store
from livegraft.ticker import Entry, Ticker
from tests.support.slots import NotingStarter

SCHEDULES = 10_000
IDLE_SECONDS = 10.0
TICKS = 30


class _Punctual(NotingStarter):
    """Notes how late each run is launched, in ms."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self.has_enough = threading.Event()

    def launch(self, run: RunRecord) -> None:
        if run.slot_at is not None:
            self.late.append((datetime.now(UTC) - run.slot_at).total_seconds() * 1000)
        if len(self.late) >= TICKS:
            self.has_enough.set()


def measure(folder: Path) -> Iterator[Figure]:
    far = {f"script{n}": Entry((Schedule.parse("H H 1 1 *", seed=f"script{n}"),)) for n in range(SCHEDULES)}
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(folder / "history.db")
    starter = _Punctual()
    ticker = Ticker(slots=store.slots, clock=SystemClock(), starter=starter)
    with told(f"{SCHEDULES} schedules"):

        def plan() -> None:
            ticker.replan(far)
            ticker._place_newcomers()

        planned = seconds(plan)
        ticker.start()
        time.sleep(1)
        begin = time.process_time()
        time.sleep(IDLE_SECONDS)
        idle = (time.process_time() - begin) / IDLE_SECONDS * 100
        ticker.replan({**far, "each second": Entry((Schedule("* * * * * *"),))})
        starter.has_enough.wait(TICKS * 10)
        ticker.stop()
    store.close()
    yield Figure(f"{SCHEDULES} schedules are planned", planned, "s")
    yield Figure(f"share of a core that an idle ticker of {SCHEDULES} schedules takes", idle, "%", 1)
    yield Figure("a tick starts after its time, p50", median(starter.late), "ms", 50)
    yield Figure("a tick starts after its time, p99", percentile(starter.late, 0.99), "ms", 50)
