"""Figures of shared data: what a change and a read of it cost, against the same in bare SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, median, percentile, told
from benchmarks.repositories import repository_of
from livegraft import Supervisor

TIMES = 2_000


def measure(folder: Path) -> Iterator[Figure]:
    repository = repository_of(folder / "repository", 1)
    with told("shared data"), Supervisor(repository.path, data=folder / "data", poll_seconds=600) as supervisor:
        data = supervisor.shared("counters")
        added, read = _milliseconds(lambda: data.add("seen")), _milliseconds(lambda: data["seen"])

        def update() -> None:
            with data.update() as draft:
                draft["here"] = draft.get("here", 0) - 1
                draft["there"] = draft.get("there", 0) + 1

        updated = _milliseconds(update)
    yield Figure("add to shared data, p50", median(added), "ms", 1)
    yield Figure("add to shared data, p95", percentile(added, 0.95), "ms")
    yield Figure("the same in bare SQLite, p50", median(_bare(folder / "bare.db")), "ms")
    yield Figure("read of shared data, p50", median(read), "ms", 0.1)
    yield Figure("update of two keys, p50", median(updated), "ms")


def _bare(file: Path) -> list[float]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE shared (key TEXT PRIMARY KEY, value INTEGER)")
        connection.execute("INSERT INTO shared VALUES ('seen', 0)")

        def add() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE shared SET value = value + 1 WHERE key = 'seen'")
            connection.execute("COMMIT")

        return _milliseconds(add)


def _milliseconds(work: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        work()
        found.append((time.perf_counter() - begin) * 1000)
    return found
