"""Figures of loading, switching and unloading."""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.repositories import commit_one, repository_of, script_path, script_text, texts
from livegraft import Supervisor
from livegraft.mirror.git import GitMirror
from tests.support import eventually

COMMITS = 40
VERSIONS = 1_000
CALLS = 40_000


def measure(folder: Path) -> Iterator[Figure]:
    for count, goal in ((100, None), (10_000, 50.0)):
        with told(f"commit to live, {count:,} scripts"):
            yield from commit_to_live(folder / f"live{count}", count, goal)
    with told("cold start of 10,000 scripts"):
        yield from cold_start(folder / "cold", 10_000)
    with told(f"memory over {VERSIONS:,} versions"):
        yield from memory(folder / "memory")


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


def cold_start(folder: Path, count: int) -> Iterator[Figure]:
    """Compile and execute all scripts bare, and from a repository to a live release, in turn."""
    repository = repository_of(folder / "repository", count)
    bare, ours = [], []
    for turn in range(3):
        bare.append(seconds(lambda: execute_bare(count)))
        supervisor = Supervisor(repository.path, data=folder / f"data{turn}", poll_seconds=600)
        ours.append(seconds(supervisor.__enter__))
        supervisor.stop()
        del supervisor
        gc.collect()
    yield Figure(f"cold start, {count} scripts, bare compile and execute", median(bare), "s")
    yield Figure(f"cold start, {count} scripts", median(ours), "s")
    yield Figure(f"cold start, {count} scripts, against bare", median(ours) / median(bare), "x", 1.3)


def execute_bare(count: int) -> None:
    """What any loader must do at least: compile and execute each file, with imports that are found."""
    found = texts(count)
    lib = SimpleNamespace(rate=lambda: 1)
    names = {f"lib.h{n}": lib for n in range(200)}
    sys.modules.update(names)  # type: ignore[arg-type]
    for path, text in found.items():
        exec(compile(text, path, "exec", dont_inherit=True), {"__name__": path})
    for name in names:
        del sys.modules[name]


def memory(folder: Path) -> Iterator[Figure]:
    """Allocator blocks and resident memory per superseded version, from the 200th version on."""
    repository = repository_of(folder / "repository", 10)
    with Supervisor(repository.path, data=folder / "data", poll_seconds=600) as supervisor:

        def change(first: int, last: int) -> None:
            for n in range(first, last):
                commit_one(repository, script_path(3), script_text(3) + f"\nTABLE = [{n}] * 1000\n")
                supervisor.sync()
            eventually(lambda: all(each.state != "draining" for each in supervisor.versions()))
            gc.collect()

        change(0, 200)
        blocks, resident = sys.getallocatedblocks(), resident_bytes()
        change(200, VERSIONS)
        count = VERSIONS - 200
        yield Figure("allocator blocks per version", (sys.getallocatedblocks() - blocks) / count, "blocks", 1)
        yield Figure(f"resident memory over {count} versions", (resident_bytes() - resident) / 2**20, "MiB")
        sizes = [each.object_count for each in supervisor.versions() if each.object_count]
        yield Figure("objects of a version", median(sizes), "objects")


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
