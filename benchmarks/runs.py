"""Figures of runs: from the button to the first line, and how many are recorded in a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.repositories import commit_one, repository_of
from livegraft import Supervisor

SINGLE = 300
MANY = 4_000


def measure(folder: Path) -> Iterator[Figure]:
    repository = repository_of(folder / "repository", 1)
    commit_one(repository, "clock.py", "import time\ndef run() -> float:\n    return time.perf_counter()\n")
    commit_one(repository, "nothing.py", "def run() -> None:\n    return None\n")
    with told("runs"), Supervisor(repository.path, data=folder / "data", poll_seconds=600) as supervisor:
        starts, whole = [], []
        for _ in range(SINGLE):
            begin = time.perf_counter()
            run = supervisor.run("clock")
            run.wait(10)
            whole.append((time.perf_counter() - begin) * 1000)
            starts.append((run.result - begin) * 1000)
        yield Figure("button to first line, thread, p50", median(starts), "ms", 5)
        yield Figure("button to first line, thread, p95", percentile(starts, 0.95), "ms")
        yield Figure("recorded runs one after the other, p50", median(whole), "ms", 3)

        def many() -> None:
            with ThreadPoolExecutor(4) as callers:
                runs = list(callers.map(lambda _: supervisor.run("nothing"), range(MANY)))
            for run in runs:
                run.wait(60)

        yield Figure("recorded runs", MANY / seconds(many), "per s", 1000, at_least=True)
