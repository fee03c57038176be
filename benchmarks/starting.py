"""Figures of a start: with thousands of scripts, beside the least that any loader does for them."""

from __future__ import annotations

import contextvars
import gc
import hashlib
import importlib
import marshal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Final, NamedTuple

from benchmarks.figures import Figure, median, told
from benchmarks.repositories import repository_of, script_path, texts
from livegraft import Supervisor
from livegraft.schedule import Schedule
from tests.support import eventually


def measure(folder: Path) -> Iterator[Figure]:
    with told("start of 10,000 scripts"):
        yield from starts(folder, 10_000)


def starts(folder: Path, count: int) -> Iterator[Figure]:
    """Compile and execute all scripts bare, and from a repository to a live release, in turn.

    The cache is cold (a data folder that is new) and warm (one that knew all these scripts); by default what is new is
    probed in a child process first. Starts are told by the clock, because others work for them at the same time, and
    by the processor time of the host, which is what its own threads must do without. Beside it what Python itself
    takes to import the same files, without and with its own files of compiled code, and the least that a loader does
    which keeps what we promise.
    """
    repository = repository_of(folder / "repository", count)
    compiled = compiled_texts(count)
    took: dict[str, list[Took]] = {}
    for turn in range(3):
        data, files = folder / f"data{turn}", folder / f"files{turn}"
        write_all(files, texts(count))
        runs = {
            "bare": timed(lambda: execute_bare(count)),
            "executed": timed(lambda: execute_compiled(compiled)),
            "probed": start_once(repository.path, folder / f"probed{turn}", probe=True, until_saved=True),
            "cold": start_once(repository.path, data, until_saved=True),
            "warm": start_once(repository.path, data),
            "imported": timed(lambda: import_all(files, count)),  # noqa: B023 - called at once
            "imported again": timed(lambda: import_all(files, count)),  # noqa: B023 - called at once
            **Least(repository.path, count, folder / f"least{turn}").steps(),
        }
        for name, run in runs.items():
            took.setdefault(name, []).append(run)
    elapsed = {name: median([run.elapsed for run in runs]) for name, runs in took.items()}
    processor = {name: median([run.processor for run in runs]) for name, runs in took.items()}
    for name, what in NAMES.items():
        yield Figure(what.format(count=count), elapsed[name], "s")
    for name in ("probed", "cold", "warm"):
        yield Figure(f"{NAMES[name].format(count=count)}, processor time of the host", processor[name], "s")
    for step in Least.STEPS:
        yield Figure(f"the least for {count} scripts, {step.replace('_', ' ')}", elapsed[step], "s")
    least = sum(elapsed[step] for step in Least.STEPS)
    least_cold = least + elapsed["bare"] - elapsed["executed"]
    yield Figure(f"the least for {count} scripts, against execute", least / elapsed["executed"], "x")
    yield Figure(f"the least for {count} scripts with compiling them, against bare", least_cold / elapsed["bare"], "x")
    yield Figure(f"start, {count} scripts, probed, against bare", elapsed["probed"] / elapsed["bare"], "x")
    yield Figure(f"start, {count} scripts, cold cache, against bare", elapsed["cold"] / elapsed["bare"], "x", 1.3)
    yield Figure(f"start, {count} scripts, cold cache, host against bare", processor["cold"] / elapsed["bare"], "x")
    yield Figure(
        f"start, {count} scripts, warm cache, against execute", elapsed["warm"] / elapsed["executed"], "x", 1.1
    )


NAMES: Final = {
    "bare": "start, {count} scripts, bare compile and execute",
    "executed": "start, {count} scripts, bare execute",
    "probed": "start, {count} scripts, cold cache, probed",
    "cold": "start, {count} scripts, cold cache",
    "warm": "start, {count} scripts, warm cache",
    "imported": "import of {count} files by Python itself, nothing compiled",
    "imported again": "import of {count} files by Python itself, all compiled",
}


class Took(NamedTuple):
    """Seconds by the clock, and of this process's processor time."""

    elapsed: float
    processor: float


def timed(work: Callable[[], object]) -> Took:
    began, processor_began = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - began, time.process_time() - processor_began)


def start_once(repository: Path, data: Path, *, probe: bool = False, until_saved: bool = False) -> Took:
    supervisor = Supervisor(repository, data=data, poll_seconds=600, probe=probe)
    took = timed(supervisor.__enter__)
    if until_saved:
        eventually(lambda: any((data / "code").rglob("*.pack")), timeout=120)
    supervisor.stop(unload_seconds=120)  # all of it: what stays would burden the collections of the next start
    del supervisor
    gc.collect()
    return took


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


class Least:
    """A loader in straight lines, for these very scripts: without choice, check, record of a fault, or a second commit.

    What it does is what every version needs whoever loads it: which files the commit has, a key, code, a module with
    a spec that finds its imports by key, the next due time, and a row of history.
    """

    STEPS: Final = ("list_files", "load_code", "make_keys", "execute", "find_due_times", "write")

    def __init__(self, repository: Path, count: int, store: Path) -> None:
        self._repository, self._store = repository, store
        self._heads = {path: text.partition("\n")[0] for path, text in texts(count).items()}
        self._compiled = dict(zip(self._heads, compiled_texts(count), strict=True))

    def steps(self) -> dict[str, Took]:
        """How long each step took, in order."""
        took: dict[str, Took] = {}
        self._blobs: dict[str, str] = {}
        for name in self.STEPS:
            took[name] = timed(getattr(self, name))
        for name in self._names:
            del sys.modules[name]
        return took

    def list_files(self) -> None:
        command = ["git", "ls-tree", "-r", "-z", "HEAD"]
        listed = subprocess.run(command, cwd=self._repository, check=True, capture_output=True, text=True).stdout
        for line in listed.split("\0")[:-1]:
            facts, path = line.split("\t")
            self._blobs[path] = facts.rpartition(" ")[2]

    def load_code(self) -> None:
        self._codes: dict[str, CodeType] = {path: marshal.loads(data) for path, data in self._compiled.items()}

    def make_keys(self) -> None:
        self._keys = {
            path: hashlib.sha256(f"{path}\0{blob}\0lib.h1\0{blob[:20]}".encode()).hexdigest()[:20]
            for path, blob in self._blobs.items()
        }

    def execute(self) -> None:
        self._names: list[str] = []
        plain: dict[str, ModuleType] = {}
        usual = __import__

        def find(name: str, *arguments: object) -> ModuleType:
            found = plain.get(name)
            return found if found is not None else usual(name, *arguments)  # type: ignore[arg-type]

        names = {**vars(__import__("builtins")), "__import__": find}
        for path in sorted(self._blobs, key=lambda path: not path.startswith("lib/")):
            name = path.removesuffix(".py").replace("/", ".")
            keyed = f"bare.{name}@{self._keys[path]}"
            module = plain[name] = sys.modules[keyed] = ModuleType(keyed)
            loader = SourceFileLoader(keyed, path)
            spec = ModuleSpec(keyed, loader, origin=path)
            module.__dict__.update(__builtins__=names, __file__=path, __loader__=loader, __package__="", __spec__=spec)
            contextvars.copy_context().run(exec, self._codes[path], module.__dict__)
            self._names.append(keyed)

    def find_due_times(self) -> None:
        now = datetime.now(UTC)
        crons = [head.removeprefix("# cron: ") for head in self._heads.values() if head.startswith("# cron: ")]
        self._due = [(cron, Schedule.parse(cron).next_after(now)) for cron in crons]

    def write(self) -> None:
        with closing(sqlite3.connect(self._store)) as store:
            store.execute("pragma journal_mode = wal")
            store.execute("create table version (script text primary key, key text) without rowid")
            store.executemany("insert into version values (?, ?)", self._keys.items())
            store.commit()
