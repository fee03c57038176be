"""Figures of a history of 1,000,000 runs: what pages ask of it, and what deleting costs those who write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.histories import fill
from livegraft.artifact_files import Artifacts
from livegraft.clock import SystemClock
from livegraft.header import Keep
from livegraft.retention import KeepPolicy, Trimmer
from livegraft.run import OPEN_STATES, RunRecord, RunState, Trigger, new_run_id
from livegraft.store import Store
from livegraft.store.sqlite import open_store

TIMES: Final = 30
GONE: Final = 100_000
QUIET_SECONDS: Final = 30
PAGE_MS: Final = 100
SCRIPT: Final = "team07/script00007"
DEEP: Final = "0000000000500000"
HOUR: Final = timedelta(hours=1)


def measure(folder: Path) -> Iterator[Figure]:
    file = folder / "history.db"
    with told("making a history of 1,000,000 runs"):
        took = seconds(lambda: fill(file))
    yield Figure("making a history of 1,000,000 runs and 10,000 scripts", took, "s")
    yield Figure("its size", file.stat().st_size / 1e6, "MB")
    with closing(open_store(file)) as store:
        with told("what pages ask of it"):
            for name, ask in questions(store).items():
                ask()
                times = [seconds(ask) * 1000 for _ in range(TIMES)]
                yield Figure(f"of 1,000,000 runs: {name}, p50", median(times), "ms", PAGE_MS)
                yield Figure(f"of 1,000,000 runs: {name}, p95", percentile(times, 0.95), "ms", PAGE_MS)
        with told("deleting 100,000 runs beside a writer"):
            yield from deleting(store, folder)


def questions(store: Store) -> dict[str, Callable[[], Any]]:
    """The slowest of what pages, the API and a start ask."""
    names = [f"team{n % 50:02}/script{n:05}" for n in range(300)]
    schedules = [(f"team{n % 50:02}/script{n:05}", "*/15 * * * * UTC") for n in range(10_000)]
    runs, slots = store.runs, store.slots
    return {
        "the last 20 of 300 scripts (the first page)": lambda: runs.last_by_script(names, 20),
        "open ones": lambda: runs.find(states=OPEN_STATES, limit=100),
        "the newest 50": lambda: runs.find(limit=51),
        "50 in the middle": lambda: runs.find(before=DEEP, limit=51),
        "the newest 50 that failed": lambda: runs.find(states=[RunState.FAILED], limit=51),
        "50 of one script": lambda: runs.find(script=SCRIPT, limit=51),
        "50 of one script that were lost": lambda: runs.find(script=SCRIPT, states=[RunState.LOST], limit=51),
        "50 of one script that succeeded": lambda: runs.find(script=SCRIPT, states=[RunState.SUCCEEDED], limit=51),
        "one and its output": lambda: (runs.get(DEEP), runs.output(DEEP), runs.repeats(DEEP), runs.marks(DEEP)),
        "the newest 50 slots": lambda: slots.find(limit=50),
        "slots of one script": lambda: slots.find(script=SCRIPT, limit=50),
        "slots by the hour of 14 days": lambda: slots.tally(datetime.now(UTC) - 336 * HOUR, HOUR, 336),
        "100 rows of the audit": lambda: store.audit.find(limit=101),
        "30 releases": lambda: store.releases.find(limit=31),
        "where 10,000 schedules stand (at a start)": lambda: slots.anchors(schedules, datetime.now(UTC)),
    }


def deleting(store: Store, folder: Path) -> Iterator[Figure]:
    """How long writers wait at most while 100,000 runs are deleted, and without that."""
    alone = _Writer(store)
    time.sleep(QUIET_SECONDS)
    quiet = alone.stop()
    clock = SystemClock()
    oldest = store.runs.get(f"0{GONE:015}")
    assert oldest is not None
    policy = KeepPolicy(Keep(age=clock.now() - oldest.queued_at), 1_000, timedelta(days=3650))
    trimmer = Trimmer(
        ledger=store.retention,
        artifacts=Artifacts(folder / "artifacts"),
        clock=clock,
        policy=policy,
        keep_of=lambda name: Keep(),
    )
    beside = _Writer(store)
    begin = time.perf_counter()
    done = trimmer.trim()
    took = time.perf_counter() - begin
    busy = beside.stop()
    yield Figure("runs that were deleted for their age", done.runs, "runs", GONE, at_least=True)
    yield Figure("deleting them and as many slots", took, "s")
    yield Figure("a write meanwhile, p50", median(busy), "ms")
    yield Figure("a write meanwhile, p99", percentile(busy, 0.99), "ms")
    yield Figure("the longest wait of a write meanwhile", max(busy), "ms", 250)
    yield Figure("a write without that, p50", median(quiet), "ms")
    yield Figure("the longest wait of a write without that", max(quiet), "ms")


class _Writer:
    """Writes a run each few milliseconds, and notes how long each took."""

    def __init__(self, store: Store) -> None:
        self._runs = store.runs
        self._times: list[float] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> list[float]:
        """Milliseconds of each write."""
        self._stopped.set()
        self._thread.join()
        return self._times

    def _work(self) -> None:
        now = datetime.now(UTC)
        run = RunRecord("", "writer", "k", "r", Trigger.API, "dana", {}, RunState.SUCCEEDED, "1:2:3", now)
        while not self._stopped.wait(0.002):
            written = replace(run, id=new_run_id())
            self._times.append(seconds(partial(self._runs.add, written)) * 1000)
