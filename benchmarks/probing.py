"""Figures of the probe: what it adds to a commit, and to a start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.repositories import commit_one, repository_of, script_path, script_text
from livegraft import Supervisor
from livegraft.probe.warm import WarmProbe
from tests.support.snapshots import Plans

PROBES = 200
COMMITS = 40
SCRIPTS = 10_000
FIRST = 2_000


def measure(folder: Path) -> Iterator[Figure]:
    with told("a probe"):
        yield from one_probe(folder)
    with told(f"commit to live, {SCRIPTS:,} scripts, with and without a probe"):
        yield from commit_to_live(folder, SCRIPTS)
    with told(f"first start with {FIRST:,} scripts, with and without a probe"):
        yield from first_start(folder, FIRST)


def one_probe(folder: Path) -> Iterator[Figure]:
    """One new script: from asking for the verdict until it is there; the next child gets ready in the pause."""
    probe = WarmProbe(folder=folder / "sources", prepare=lambda module: None, deadline_seconds=10, memory_bytes=1 << 30)
    probe.start()
    plans, took, deaths = Plans(), [], []
    try:
        for n in range(PROBES):
            for body, kept in (("", took), ("import os\nos._exit(1)\n", deaths)):
                files = {
                    "script.py": f"{body}{script_text(7)}\nN = {n}\n",
                    "lib/h7.py": "def rate() -> int:\n    return 7\n",
                }
                plan = plans.plan(files)
                module = plan.modules["script"]
                begin = time.perf_counter()
                probing = probe.begin(plan, [module])
                refusal = probing.refusal(module)
                kept.append((time.perf_counter() - begin) * 1000)
                assert (refusal is not None) is bool(body), refusal
                probing.close()
                time.sleep(0.02)
        (zygote,) = psutil.Process().children()
        megabytes = sum(each.memory_full_info().pss for each in (zygote, *zygote.children())) / 2**20
    finally:
        probe.close()
    yield Figure("probe of one new script, p50", median(took), "ms", 30)
    yield Figure("probe of one new script, p95", percentile(took, 0.95), "ms")
    yield Figure("probe of one that ends its process, p50", median(deaths), "ms")
    yield Figure("memory of the zygote and the child that is ready", megabytes, "MiB")


def commit_to_live(folder: Path, count: int) -> Iterator[Figure]:
    """Commits of one script, with and without a probe in turn on the same repository."""
    repository = repository_of(folder / "commits", count)
    both: dict[bool, list[float]] = {True: [], False: []}
    with (
        Supervisor(repository.path, data=folder / "with", poll_seconds=600) as with_probe,
        Supervisor(repository.path, data=folder / "without", poll_seconds=600, probe=False) as without,
    ):
        supervisors = {True: with_probe, False: without}
        for supervisor in supervisors.values():
            supervisor.hold(actor="bench")
        for n in range(COMMITS):
            commit_one(repository, script_path(7), f"{script_text(7)}\nMARK = {n}\n")
            for probed, supervisor in supervisors.items():
                begin = time.perf_counter()
                supervisor.let_go(actor="bench")
                while getattr(supervisor.live.team0.script7, "MARK", None) != n:
                    time.sleep(0.0005)
                both[probed].append((time.perf_counter() - begin) * 1000)
                supervisor.hold(actor="bench")
    yield Figure(f"let go to live, {count} scripts, without a probe, p50", median(both[False]), "ms")
    yield Figure(f"let go to live, {count} scripts, with a probe, p50", median(both[True]), "ms")


def first_start(folder: Path, count: int) -> Iterator[Figure]:
    """A start on a repository that is new here, and the next one."""
    repository = repository_of(folder / "first", count)
    took: dict[str, list[float]] = {"without a probe": [], "with a probe": [], "with a probe, the second time": []}
    for turn in range(3):
        data = folder / f"data{turn}"
        for name, values in took.items():
            probe = name != "without a probe"
            where = data / ("with" if probe else "without")
            supervisor = Supervisor(repository.path, data=where, poll_seconds=600, probe=probe)
            values.append(seconds(supervisor.__enter__))
            supervisor.stop()
    for name, values in took.items():
        yield Figure(f"start with {count} scripts, {name}", median(values), "s")
