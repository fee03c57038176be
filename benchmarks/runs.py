"""Figures of runs: from the button to the first line, and how many are recorded in a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.late_ticks import LateTicks
from benchmarks.repositories import commit_one, repository_of
from livegraft import Supervisor

SINGLE = 300
ISOLATED = 100
MANY = 4_000
BUSY = 8
COMPUTES = """
import time
def run() -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        sum(range(1_000))
"""


def measure(folder: Path) -> Iterator[Figure]:
    repository = repository_of(folder / "repository", 1)
    commit_one(repository, "clock.py", "import time\ndef run() -> float:\n    return time.perf_counter()\n")
    isolated = '# /// script\n# [tool.livegraft]\n# isolation = "process"\n# ///\n'
    commit_one(
        repository, "isolated.py", f"{isolated}import time\ndef run() -> float:\n    return time.perf_counter()\n"
    )
    commit_one(repository, "busy.py", COMPUTES)
    commit_one(repository, "busy_isolated.py", isolated + COMPUTES)
    commit_one(repository, "nothing.py", "def run() -> None:\n    return None\n")
    with told("runs"), Supervisor(repository.path, data=folder / "data", poll_seconds=600) as supervisor:
        starts, whole = one_after_the_other(supervisor, "clock", SINGLE)
        yield Figure("button to first line, thread, p50", median(starts), "ms", 5)
        yield Figure("button to first line, thread, p99", percentile(starts, 0.99), "ms")
        yield Figure("recorded runs one after the other, p50", median(whole), "ms", 3)
        one_after_the_other(supervisor, "isolated", 3)  # the first one starts the zygote
        starts, whole = one_after_the_other(supervisor, "isolated", ISOLATED)
        yield Figure("button to first line, warm process, p50", median(starts), "ms", 50)
        yield Figure("button to first line, warm process, p99", percentile(starts, 0.99), "ms")
        yield Figure("isolated runs one after the other, p50", median(whole), "ms")
        yield Figure("recorded runs", many_at_once(supervisor, "nothing", MANY), "per s", 1000, at_least=True)
        yield from loop_beside_busy_runs(supervisor)


def loop_beside_busy_runs(supervisor: Supervisor) -> Iterator[Figure]:
    """How late an event loop of the host ticks, each millisecond, while runs compute in its process and beside it."""
    loop = LateTicks()
    loop.start()
    for script, where in (("busy", "on threads"), ("busy_isolated", "in processes of their own")):
        loop.take()
        runs = [supervisor.run(script) for _ in range(BUSY)]
        for run in runs:
            run.wait(60)
        late = loop.take()
        yield Figure(f"host loop beside {BUSY} computing runs {where}, p50", median(late), "ms")
        yield Figure(f"host loop beside {BUSY} computing runs {where}, p99", percentile(late, 0.99), "ms")
    loop.stop()


def many_at_once(supervisor: Supervisor, script: str, count: int) -> float:
    """How many runs are started and recorded in a second, by four callers."""

    def many() -> None:
        with ThreadPoolExecutor(4) as callers:
            runs = list(callers.map(lambda _: supervisor.run(script), range(count)))
        for run in runs:
            run.wait(60)

    return count / seconds(many)


def one_after_the_other(supervisor: Supervisor, script: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds until the first line of each run, and until its end is written. The clock is the machine's."""
    starts, whole = [], []
    for _ in range(count):
        begin = time.perf_counter()
        run = supervisor.run(script)
        run.wait(10)
        whole.append((time.perf_counter() - begin) * 1000)
        starts.append((run.result - begin) * 1000)
    return starts, whole
