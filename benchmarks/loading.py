"""Figures of loading, switching and unloading."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.late_ticks import LateTicks
from benchmarks.repositories import commit_many, commit_one, repository_of, script_path, script_text, texts
from livegraft import Supervisor
from livegraft.mirror.git import GitMirror

COMMITS = 40
CALLS = 40_000


def measure(folder: Path) -> Iterator[Figure]:
    with told("the host's loop while scripts load"):  # first: what other parts leave would be collected meanwhile
        yield from loop_while_loading(folder / "loop", 1_000)
    for count, goal in ((100, None), (1_000, None), (10_000, 50.0)):
        with told(f"commit to live, {count:,} scripts"):
            yield from commit_to_live(folder / f"live{count}", count, goal)
    with told("a helper of many scripts"):
        yield from helper_to_live(folder / "helper", 10_000, (1, 100, 5_000))


def commit_to_live(folder: Path, count: int, goal: float | None) -> Iterator[Figure]:
    """From the end of the commit until a call through ``live`` gives the new answer; no-change polls."""
    repository = repository_of(folder / "repository", count)
    marked = script_text(7) + "\nMARK = {0}\n"
    with Supervisor(repository.path, data=folder / "data", poll_seconds=600) as supervisor:
        took = []
        for n in range(COMMITS):
            commit_one(repository, script_path(7), marked.replace("{0}", str(n)))
            begin = time.perf_counter()
            while getattr(supervisor.live.team0.script7, "MARK", None) != n:
                time.sleep(0.0005)
            took.append((time.perf_counter() - begin) * 1000)
    yield Figure(f"commit to live, {count} scripts, p50", median(took), "ms", goal)
    yield Figure(f"commit to live, {count} scripts, p95", percentile(took, 0.95), "ms")
    mirror = GitMirror(str(repository.path), folder=folder / "data" / "mirror.git")
    mirror.fetch()
    polls, cpu = [], time.process_time() + children_seconds()
    for _ in range(50):
        polls.append(seconds(mirror.fetch) * 1000)
    cpu = time.process_time() + children_seconds() - cpu
    mirror.close()
    yield Figure(f"no-change poll, {count} scripts, p50", median(polls), "ms", 10)
    yield Figure(f"no-change poll, {count} scripts, share of a core at 5 s", cpu / 50 / 5 * 100, "%", 1)


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def helper_to_live(folder: Path, count: int, users: Sequence[int]) -> Iterator[Figure]:
    """From the end of a commit that changes a helper until the last of its scripts answers anew."""
    repository = repository_of(folder / "repository", 0)
    files = {f"shared/h{most}.py": "MARK = 0\n" for most in users} | texts(count)
    for n in range(count):
        files[script_path(n)] += "".join(f"import shared.h{most}\n" for most in users if n < most)
    commit_many(repository, files)
    with Supervisor(repository.path, data=folder / "data", poll_seconds=600, probe=False) as supervisor:
        for most in users:
            took = []
            for turn in range(1, 4):
                commit_one(repository, f"shared/h{most}.py", f"MARK = {turn}\n")
                begin = time.perf_counter()
                while turn != getattr(supervisor.live.shared, f"h{most}").MARK:
                    time.sleep(0.0005)
                took.append((time.perf_counter() - begin) * 1000)
            yield Figure(f"helper of {most} of {count} scripts to live, p50", median(took), "ms")


def loop_while_loading(folder: Path, count: int) -> Iterator[Figure]:
    """How late an event loop of the host ticks, each millisecond, idle and while so many scripts load.

    Once with the host's collections off: a full one is the longest wait that there is, and the host's own affair.
    """
    for is_collecting in (False, True):
        idle, loading = late_ticks(folder / f"collecting {is_collecting}", count, is_collecting=is_collecting)
        meanwhile = f"while {count} scripts load, {'with' if is_collecting else 'without'} full collections"
        for name, late in (("idle", idle), (meanwhile, loading)):
            yield Figure(f"host loop, {name}, p50", median(late), "ms")
            yield Figure(f"host loop, {name}, p99", percentile(late, 0.99), "ms")
        longest = max(loading) - median(idle)
        yield Figure(f"host loop, {meanwhile}, longest beyond idle", longest, "ms", None if is_collecting else 20)


def late_ticks(folder: Path, count: int, *, is_collecting: bool) -> tuple[list[float], list[float]]:
    repository = repository_of(folder / "repository", 1)
    was_enabled = gc.isenabled()
    if not is_collecting:
        gc.disable()
    try:
        with Supervisor(repository.path, data=folder / "data", poll_seconds=600, probe=False) as supervisor:
            loop = LateTicks()
            loop.start()
            time.sleep(1)
            idle = loop.take()
            commit_many(repository, texts(count))
            supervisor.sync()
            loading = loop.take()
            loop.stop()
    finally:
        if was_enabled:
            gc.enable()
    return idle, loading
