"""Figures of loading, switching and unloading."""

from __future__ import annotations

import gc
import importlib
import marshal
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from benchmarks.figures import Figure, median, percentile, seconds, told
from benchmarks.late_ticks import LateTicks
from benchmarks.repositories import commit_many, commit_one, repository_of, script_path, script_text, texts
from livegraft import Supervisor
from livegraft.mirror.git import GitMirror
from tests.support import eventually

COMMITS = 40
CALLS = 40_000


def measure(folder: Path) -> Iterator[Figure]:
    for count, goal in ((100, None), (1_000, None), (10_000, 50.0)):
        with told(f"commit to live, {count:,} scripts"):
            yield from commit_to_live(folder / f"live{count}", count, goal)
    with told("cold start of 10,000 scripts"):
        yield from cold_start(folder / "cold", 10_000)
    with told("a helper of many scripts, and the host's loop meanwhile"):
        yield from helper_to_live(folder / "helper", 10_000, (1, 100, 5_000))
        yield from loop_while_loading(folder / "loop", 1_000)


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
    """Compile and execute all scripts bare, and from a repository to a live release, in turn, in processor time.

    The cache is cold (a data folder that is new) and warm (one that knew all these scripts). Without the probe, which
    works in other processes and has figures of its own. Beside it what Python itself takes to import the same files,
    without and with its own files of compiled code: what modules cost at least that are more than their code.
    """
    repository = repository_of(folder / "repository", count)
    compiled = compiled_texts(count)
    names = ("bare", "executed", "cold", "warm", "imported", "imported again")
    took: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(3):
        data = folder / f"data{turn}"
        took["bare"].append(processor_seconds(lambda: execute_bare(count)))
        took["executed"].append(processor_seconds(lambda: execute_compiled(compiled)))
        took["cold"].append(start_once(repository.path, data, until_saved=True))
        took["warm"].append(start_once(repository.path, data))
        files = folder / f"files{turn}"
        write_all(files, texts(count))
        took["imported"].append(processor_seconds(lambda: import_all(files, count)))  # noqa: B023 - called at once
        took["imported again"].append(processor_seconds(lambda: import_all(files, count)))  # noqa: B023 - called at once
    middle = {name: median(values) for name, values in took.items()}
    yield Figure(f"start, {count} scripts, bare compile and execute", middle["bare"], "s")
    yield Figure(f"start, {count} scripts, bare execute", middle["executed"], "s")
    yield Figure(f"start, {count} scripts, cold cache", middle["cold"], "s")
    yield Figure(f"start, {count} scripts, warm cache", middle["warm"], "s")
    yield Figure(f"import of {count} files by Python itself, nothing compiled", middle["imported"], "s")
    yield Figure(f"import of {count} files by Python itself, all compiled", middle["imported again"], "s")
    yield Figure(f"start, {count} scripts, cold cache, against bare", middle["cold"] / middle["bare"], "x", 1.3)
    yield Figure(f"start, {count} scripts, warm cache, against execute", middle["warm"] / middle["executed"], "x", 1.1)


def start_once(repository: Path, data: Path, *, until_saved: bool = False) -> float:
    supervisor = Supervisor(repository, data=data, poll_seconds=600, probe=False)
    took = processor_seconds(supervisor.__enter__)
    if until_saved:
        eventually(lambda: any((data / "code").rglob("*.pack")), timeout=120)
    supervisor.stop(unload_seconds=120)  # all of it: what stays would burden the collections of the next start
    del supervisor
    gc.collect()
    return took


def processor_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def execute_bare(count: int) -> None:
    """What any loader must do at least: compile and execute each file, with imports that are found."""
    with helpers_at_hand():
        for path, text in texts(count).items():
            exec(compile(text, path, "exec", dont_inherit=True), {"__name__": path})


def compiled_texts(count: int) -> list[bytes]:
    return [marshal.dumps(compile(text, path, "exec", dont_inherit=True)) for path, text in texts(count).items()]


def execute_compiled(compiled: Sequence[bytes]) -> None:
    """The same with code objects that come from disk; what is executed is kept, as a loader must keep it."""
    kept = []
    with helpers_at_hand():
        for each in compiled:
            names: dict[str, object] = {"__name__": "bare"}
            exec(marshal.loads(each), names)
            kept.append(names)


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def import_all(folder: Path, count: int) -> None:
    """Import all scripts as Python does, and forget them again."""
    known, sys.dont_write_bytecode = set(sys.modules), False
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        for n in range(count):
            importlib.import_module(script_path(n).removesuffix(".py").replace("/", "."))
    finally:
        sys.path.remove(str(folder))
        for name in sys.modules.keys() - known:
            del sys.modules[name]


@contextmanager
def helpers_at_hand() -> Iterator[None]:
    lib = SimpleNamespace(rate=lambda: 1)
    names = {f"lib.h{n}": lib for n in range(200)}
    sys.modules.update(names)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def helper_to_live(folder: Path, count: int, users: Sequence[int]) -> Iterator[Figure]:
    """From the end of a commit that changes a helper until the last of its scripts answers anew."""
    repository = repository_of(folder / "repository", 0)
    files = {f"shared/h{most}.py": "MARK = 0\n" for most in users}
    for n in range(count):
        helpers = [most for most in users if n < most]
        imports = "".join(f"import shared.h{most}\n" for most in helpers)
        files[f"team{n // 100}/script{n}.py"] = f"{imports}def run(): return {n}\n"
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
