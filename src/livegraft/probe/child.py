"""The forked child of a probe: imports modules as the host's loader would, and tells what it begins.

The host sends lines of JSON, in order:

* ``["module", name, key, path, blob, is package, bytes or null, code or null, is broken, [[name, key], ...]]`` tells
  of a module of the plan: its file as Latin-1, perhaps its code object (marshalled, in base 64), and what it imports;
  ``["deadly", name, key]`` forbids one that ended a child before;
* ``["load", name, key, revision]`` has one imported, with all that it imports;
* ``["answer", is a top, key or null]`` answers ``["ask", name]``, the question for a module that no import statement
  showed.

The child says ``["ready"]`` when it starts. It says ``["begin", name, key]`` and ``["end"]`` around each module that
is executed, the one that is to be loaded and those within, and then ``["done", outcome, cause, [module, ...]]``: the
outcome is one of ``Outcome``; the cause is the name and key of the deadly module that was refused, or the file and
line that had no memory left, or null; the modules are those from outside of the repository that were imported anew and
brought no harm.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import marshal
import os
import resource
import socket
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from livegraft.clock import SystemClock
from livegraft.errors import LoadError, SourceError
from livegraft.graph import Plan, PlannedModule, Planner
from livegraft.live import PREFIX
from livegraft.loader import Loader
from livegraft.origins import Origins
from livegraft.probe.zygote import Settings, thread_count
from livegraft.revision import Revision
from livegraft.source import Source
from livegraft.version import Version

_CHUNK: Final = 256 * 1024
_exit: Final = os._exit

_Id = tuple[str, str]
"""The dotted name and the key of a module."""


class Outcome(StrEnum):
    """``passed``; ``raised`` an exception, of which the host makes what it can; needs more ``memory`` than there is;
    ``refused``: it imports a module that ended a child before."""

    PASSED = "passed"
    RAISED = "raised"
    MEMORY = "memory"
    REFUSED = "refused"


def serve(channel: socket.socket, stack: int, settings: Settings, more: list[int]) -> None:
    """Be the child: import what the host sends until it closes the channel."""
    limit_memory(settings.memory_bytes)
    faulthandler.enable(stack, all_threads=False)
    _tell_exits(stack)
    ImportingChild(channel, Path(settings.folder)).serve()


class DeadlyImportError(BaseException):
    """A module that ended a child before is imported again. No handler for Exception catches it."""


class ImportingChild:
    """What a child does with modules of the host's repository; an isolated run's process does more."""

    def __init__(self, channel: socket.socket, folder: Path) -> None:
        self._channel = channel
        self._received = bytearray()
        self._lines: deque[list[Any]] = deque()
        self._modules: dict[_Id, PlannedModule] = {}
        self._tops = _Tops(self)
        self._folder = f"{folder}/"
        self.loader = _Loader(self, folder)
        self._pid = os.getpid()
        # Module -> the one that ended a child: itself, or what it imports.
        self._deadly: dict[_Id, _Id] = {}
        self._outcome = Outcome.PASSED
        self._cause: tuple[str, str] | tuple[str, int] | None = None
        self._asked: dict[str, tuple[bool, PlannedModule | None]] = {}
        self._begun: list[_Id] = []
        self._known = set(sys.modules)
        self._outgoing = bytearray()
        self._sending = threading.RLock()
        self._resources = _resources()

    def serve(self) -> None:
        self.say(["ready"])
        # Sources are written for code that looks for them: the others are the host's to write.
        with self.loader.loading_many():
            while line := self._next():
                self.obey(line)

    def obey(self, line: list[Any]) -> None:
        match line:
            case ["module", name, key, path, blob, is_package, text, code, is_broken, imports]:
                module = self.module(name, key)
                module.path, module.blob, module.is_package = path, blob, is_package
                if text is not None:
                    error = SourceError(path, 0, "cannot be compiled") if is_broken else None
                    compiled = marshal.loads(base64.b64decode(code)) if code else None  # noqa: S302 - the host's
                    module.source = Source(
                        path, text.encode("latin-1"), code=compiled, error=error, asks_for_files=False, head=""
                    )
                module.imports = {imported: self.module(imported, its_key) for imported, its_key in imports}
            case ["deadly", name, key]:
                self._deadly[name, key] = (name, key)
            case ["load", name, key, revision]:
                self._load(self.module(name, key), revision)

    def _load(self, module: PlannedModule, revision: str) -> None:
        self._outcome, self._cause = Outcome.PASSED, None
        with self.executing(module):
            try:
                self.load(module, revision)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the host finds out
                self.note(error)
        self.say(["done", self._outcome, self._cause, self.harmless()])

    def load(self, module: PlannedModule, revision: str) -> Version:
        """The version of a module, with all that it imports. Raises what the import raises."""
        self.forbid(module)
        return self.loader.load(module, Plan(_revision(revision), {}, self._tops, frozenset()))

    def note(self, error: BaseException) -> None:
        """An exception came out of a module; the gravest one of a load is its outcome."""
        if isinstance(error, MemoryError):
            if self._outcome not in (Outcome.REFUSED, Outcome.MEMORY):  # the innermost module tells first
                self._outcome, self._cause = Outcome.MEMORY, self._place(error)
        elif self._outcome is Outcome.PASSED:
            self._outcome = Outcome.RAISED

    def explain(self, error: BaseException, version: Version) -> LoadError:
        """What is kept of an exception that came out of a module: the host's own import tells more."""
        return LoadError(version.path, 0, type(error).__name__)

    def _place(self, error: BaseException) -> tuple[str, int] | None:
        """The innermost line of a source that an exception came through."""
        place = None
        for frame, line in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            if file.startswith(self._folder):
                place = file, line
        return place

    @contextmanager
    def executing(self, module: PlannedModule) -> Iterator[None]:
        """Tell the host that a module is being executed: should the process end in it, this is the culprit."""
        if not self._is_main_thread():  # who dies beside the import that goes on cannot be told apart
            yield
            return
        self.say(["begin", module.name, module.key])
        self.flush()  # before it may end the process
        self._begun.append((module.name, module.key))
        try:
            yield
        finally:
            self._begun.pop()
            self.say(["end"])

    def forbid(self, module: PlannedModule) -> None:
        """Stop the import of a module that ended a child before, whatever its importers make of that.

        They count as deadly too, for they import it: one that swallows this here would end the host.
        """
        culprit = self._deadly.get((module.name, module.key))
        if culprit is not None:
            self._deadly.update(dict.fromkeys(self._begun, culprit))
            self._outcome, self._cause = Outcome.REFUSED, culprit
            raise DeadlyImportError(module.name)

    def ask(self, name: str) -> tuple[bool, PlannedModule | None]:
        """Whether a name is one of the repository's first names, and the module of that name in the plan."""
        if not self._is_main_thread():  # only one may read the answers; what a thread imports late is not decided here
            return self._asked.get(name, (False, None))
        if name not in self._asked:
            self.say(["ask", name])
            # What the host sent before it heard the question comes first, and waits.
            waiting: deque[list[Any]] = deque()
            while (line := self._next()) and line[0] != "answer":
                if line[0] == "module":
                    self.obey(line)
                else:
                    waiting.append(line)
            self._lines.extendleft(reversed(waiting))
            if not line:
                _exit(0)
            _, is_top, key = line
            self._asked[name] = is_top, self.module(name, key) if key is not None else None
        return self._asked[name]

    def say(self, line: list[Any]) -> None:
        """Tell the host a line with the next ``flush``."""
        with self._sending:
            self._outgoing += json.dumps(line).encode() + b"\n"

    def flush(self) -> None:
        if os.getpid() != self._pid:  # a process that a script forked: it must not go on as if it were this one
            _exit(0)
        with self._sending:
            try:
                self._channel.sendall(self._outgoing)
            except OSError:  # nobody listens any more
                _exit(0)
            self._outgoing.clear()

    def tell(self, line: list[Any]) -> None:
        """Tell the host a line now, from any thread."""
        with self._sending:
            self.say(line)
            self.flush()

    @staticmethod
    def _is_main_thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    def _next(self) -> list[Any]:
        """The next line of the host; empty when it has closed the channel."""
        while not self._lines:
            self.flush()
            data = self._channel.recv(_CHUNK)
            if not data:
                return []
            self._received += data
            if b"\n" in data:
                *lines, rest = self._received.split(b"\n")
                self._received = bytearray(rest)
                self._lines.extend(json.loads(line) for line in lines)
        return self._lines.popleft()

    def module(self, name: str, key: str) -> PlannedModule:
        module = self._modules.get((name, key))
        if module is None:
            module = self._modules[name, key] = PlannedModule(name, name, "", False, None, key)
        return module

    def look_from_here(self) -> None:
        """What is there now came with nothing that will be imported."""
        self._known.update(sys.modules)
        self._resources = _resources()

    def harmless(self) -> list[str]:
        """Modules from outside of the repository that came and brought neither threads nor open files with them."""
        # The newest first, and only these: there may be 10,000 modules. A name that was taken out and came again may
        # hide others, which then are imported late.
        names = [*takewhile(lambda name: name not in self._known, reversed(sys.modules))][::-1]
        self._known.update(names)
        names = [name for name in names if not name.startswith(PREFIX)]
        if not names:
            return []
        before, self._resources = self._resources, _resources()
        return names if before == self._resources else []


class _Loader(Loader):
    """The host's loader, which tells what it executes and asks the host for what the plan did not show."""

    def __init__(self, child: ImportingChild, folder: Path) -> None:
        super().__init__(
            planner=cast(Planner, _HostsPlan(child)),
            folder=folder,
            clock=SystemClock(),
            describe=self._describe,
        )
        self.origins = _NoOrigins(folder / "origins")
        self._child = child

    def link(self, importer: Version, name: str) -> Version | None:
        planned = importer.reach.get(name)
        if planned is None and name.partition(".")[0] in importer.tops:
            planned = self._child.ask(name)[1]
        if planned is None:
            return super().link(importer, name)
        self._child.forbid(planned)
        if self.find(planned.name, planned.key) is not None:
            return super().link(importer, name)
        with self._child.executing(planned):
            return super().link(importer, name)

    def _describe(self, error: BaseException, version: Version) -> LoadError:
        self._child.note(error)
        return self._child.explain(error, version)


class _NoOrigins(Origins):
    """What is only tried has no origin to be remembered; and the file may be long."""

    def get(self, key: str) -> str | None:
        return None

    def add(self, key: str, revision: str) -> None: ...

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        yield


class _HostsPlan:
    """The planner as the loader asks it, answered by the host."""

    def __init__(self, child: ImportingChild) -> None:
        self._child = child

    def at(self, revision: str) -> _HostsPlan:
        return self

    @property
    def modules(self) -> _HostsPlan:
        return self

    def get(self, name: str) -> PlannedModule | None:
        return self._child.ask(name)[1]

    def learn(self, importer: PlannedModule, target: PlannedModule) -> None:
        """The host learns it when it imports by itself."""


class _Tops(frozenset[str]):
    """The repository's first names, asked for one by one: there may be 10,000, of which a script needs none."""

    _child: ImportingChild

    def __new__(cls, child: ImportingChild) -> _Tops:
        made = super().__new__(cls)
        made._child = child
        return made

    def __contains__(self, name: object) -> bool:
        return name not in sys.stdlib_module_names and self._child.ask(str(name))[0]


def _revision(id: str) -> Revision:
    return Revision(id, "", "", datetime.fromtimestamp(0, UTC), "")


def limit_memory(memory_bytes: int) -> None:
    """Bound the memory beyond what the process has from the zygote, and leave no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
        bound = pages * resource.getpagesize() + memory_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


def _tell_exits(stack: int) -> None:
    """Leave the stack before ``os._exit``, which no fault handler sees."""
    me = os.getpid()

    def exit(status: int) -> NoReturn:
        if os.getpid() == me:
            faulthandler.dump_traceback(stack, all_threads=False)
        _exit(status)

    os._exit = exit


def _resources() -> tuple[int, int]:
    """How many threads and open files the process has."""
    try:
        return thread_count(), len(os.listdir("/proc/self/fd"))
    except OSError:
        return thread_count(), 0
