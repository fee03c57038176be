"""Figures of output: how fast a run may print, what that costs in memory, and what followers cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.figures import Figure, seconds, told
from benchmarks.repositories import commit_one, repository_of
from livegraft import Supervisor

FOLLOWERS = 500
MEGABYTES = 1_000
PRINTS = 200_000

PRINTS_MUCH = """
def run(megabytes: int) -> None:
    line = "x" * 999
    for _ in range(megabytes * 1000):
        print(line)
"""
PRINTS_NOTHING = """
import time
def run(count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        print()
    return (time.perf_counter() - begin) / count * 1e9
"""


def measure(folder: Path) -> Iterator[Figure]:
    repository = repository_of(folder / "repository", 1)
    commit_one(repository, "much.py", PRINTS_MUCH)
    commit_one(repository, "nothing.py", PRINTS_NOTHING)
    with told("output"), Supervisor(repository.path, data=folder / "data", poll_seconds=600) as supervisor:
        supervisor.run("much", megabytes=3).wait(60)
        with _Memory() as memory:
            taken = seconds(lambda: supervisor.run("much", megabytes=MEGABYTES).wait(300))
        yield Figure("print in a thread run", MEGABYTES / taken, "MB/s", at_least=True)
        yield Figure("memory for 1 GB from one run", memory.grown, "MiB", 32)
        with _Memory() as memory:
            runs = [supervisor.run("much", megabytes=10) for _ in range(100)]
            for run in runs:
                run.wait(300)
        yield Figure("memory for 100 runs of 10 MB", memory.grown, "MiB", 32)
        yield Figure("an empty print in a run", supervisor.run("nothing", count=PRINTS).result, "ns")
        with (folder / "plain").open("w", encoding="utf-8") as plain:
            alone = seconds(lambda: [print(file=plain) for _ in range(PRINTS)])
        yield Figure("an empty print to a plain file", alone / PRINTS * 1e9, "ns")
        yield from _followed(supervisor)


def _followed(supervisor: Supervisor) -> Iterator[Figure]:
    run = supervisor.run("much", megabytes=1)
    read: list[int] = []

    def follow() -> None:
        read.append(sum(len(chunk.data) for chunk in supervisor.follow(run.id)))

    followers = [threading.Thread(target=follow) for _ in range(FOLLOWERS)]
    begin = time.perf_counter()
    for follower in followers:
        follower.start()
    for follower in followers:
        follower.join()
    assert read == [1_000_000] * FOLLOWERS, "a follower lost or doubled something"
    yield Figure(f"{FOLLOWERS} followers read 1 MB each", time.perf_counter() - begin, "s")


class _Memory:
    """The most that this process grew by, in MiB."""

    grown = 0.0

    def __enter__(self) -> _Memory:
        self._over = threading.Event()
        self._before = psutil.Process().memory_info().rss
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._over.wait(0.01):
            self.grown = max(self.grown, (process.memory_info().rss - self._before) / (1 << 20))
