"""Figures of unloading: what the check costs, how long it stops the host, and what stays after many versions."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, median, percentile, told
from benchmarks.repositories import repository_of
from livegraft import Supervisor
from tests.support import Repository, eventually

VERSIONS = 10_000
"""Changed versions, twenty with each commit."""

AT_ONCE = 20
WARM_UP = 500
CONTAINERS = 3_000_000
SUPERSEDED = 20


def measure(folder: Path) -> Iterator[Figure]:
    with told("the check of a version"):
        for count in (100, 1_000, 10_000):
            yield check(folder / f"check{count}", count, "ROWS = [[n] for n in range({count})]")
        yield check(folder / "chain", 10_000, "ROWS = []\nfor n in range({count}): ROWS = [ROWS]", "in a chain, ")
    with told(f"pauses on a heap of {CONTAINERS:,} containers"):
        yield from pauses(folder / "pauses")
    with told(f"memory over {2 * VERSIONS:,} versions"):
        yield from memory(folder / "memory")


def check(folder: Path, count: int, rows: str, how: str = "") -> Figure:
    """One look at whether a version with so many objects is held."""
    with following(folder, f"{rows.format(count=count)}\ndef run(): return ROWS\n") as (supervisor, _):
        release = supervisor.release
        assert release is not None
        version = release.scripts["s"].version
        took = []
        for _ in range(30):
            begin = time.thread_time()  # it only computes: what else the machine does must not count
            found = supervisor._drainer._region([version]).survey()
            took.append((time.thread_time() - begin) * 1000)
            assert found.is_whole
            del found
        del version, release
        return Figure(f"unload check, {count} objects, {how}p50", median(took), "ms", 2 if count == 1_000 else None)


def pauses(folder: Path) -> Iterator[Figure]:
    """The longest time that a thread of the host waits beyond its sleep: with nothing to do, while versions unload,
    and while the holder of one is looked for. The host's own collections are off: they would be the longest."""
    heap = [[n] for n in range(CONTAINERS)]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with following(folder, "def run(): return 0\n") as (supervisor, repository):
            commits = repository.prepare_commits([{"s.py": f"def run(): return {n}\n"} for n in range(SUPERSEDED + 2)])
            yield Figure("longest wait of a host thread, idle", longest_wait(lambda: time.sleep(1)), "ms")

            def supersede() -> None:
                for commit in commits[:SUPERSEDED]:
                    repository.publish(commit)
                    supervisor.sync()
                eventually(lambda: all(each.state in ("live", "unloaded") for each in supervisor.versions()), 60)

            def leak() -> None:
                kept = supervisor.live.s.run
                repository.publish(commits[-1])
                supervisor.sync()
                eventually(lambda: any(each.state == "leaked" for each in supervisor.versions()), 60)
                del kept

            yield Figure(
                f"longest wait of a host thread, {SUPERSEDED} versions unload", longest_wait(supersede), "ms", 20
            )
            yield Figure("longest wait of a host thread, a holder is looked for", longest_wait(leak), "ms", 20)
    finally:
        if was_enabled:
            gc.enable()
    assert len(heap) == CONTAINERS


def longest_wait(work: object) -> float:
    """Milliseconds that a thread which sleeps for half a millisecond at a time slept too long at most, meanwhile."""
    waits: list[float] = []
    stop = threading.Event()

    def wait() -> None:
        while not stop.is_set():
            begin = time.perf_counter()
            time.sleep(0.0005)
            waits.append((time.perf_counter() - begin) * 1000)

    thread = threading.Thread(target=wait)
    thread.start()
    work()  # type: ignore[operator]
    stop.set()
    thread.join()
    return percentile(waits, 1.0)


def memory(folder: Path) -> Iterator[Figure]:
    """Allocator blocks and resident memory while versions come and go.

    From the ``WARM_UP``th on, and once more as long: meanwhile the caches of SQLite and of the C allocator fill.
    """

    def texts(n: int) -> dict[str, str]:
        text = f"TABLE = [{n}] * 1000\nclass Row: value = {n}\ndef run(): return Row, TABLE\n"
        return {f"changed{place}.py": f"PLACE = {place}\n{text}" for place in range(AT_ONCE)}

    last = 2 * VERSIONS
    with following(folder, "def run(): ...\n") as (supervisor, repository):
        commits = repository.prepare_commits([texts(n) for n in range(last // AT_ONCE)])

        def change(first: int, last: int) -> None:
            for commit in commits[first // AT_ONCE : last // AT_ONCE]:
                repository.publish(commit)
                supervisor.sync()
            eventually(lambda: all(each.state in ("live", "unloaded") for each in supervisor.versions()), 60)
            gc.collect()

        change(0, WARM_UP)
        for first, end, goal in ((WARM_UP, VERSIONS, None), (VERSIONS, last, 1)):
            blocks, resident = sys.getallocatedblocks(), resident_bytes()
            change(first, end)
            grown, more = sys.getallocatedblocks() - blocks, (resident_bytes() - resident) / 2**20
            span = f"versions {first:,} to {end:,}"
            yield Figure(f"allocator blocks per version, {span}", grown / (end - first), "blocks", 1)
            yield Figure(f"resident memory, {span}", more, "MiB", goal)


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def following(folder: Path, text: str) -> Iterator[tuple[Supervisor, Repository]]:
    """A supervisor of one script, ``s``, that looks at the repository when told."""
    repository = repository_of(folder / "repository", 0)
    repository.commit_files({"s.py": text})
    with Supervisor(repository.path, data=folder / "data", poll_seconds=600, probe=False) as supervisor:
        yield supervisor, repository
