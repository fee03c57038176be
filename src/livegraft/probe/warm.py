"""The probe by children that are ready before they are needed."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from livegraft.errors import LoadError
from livegraft.graph import Plan, PlannedModule
from livegraft.probe import NOTHING_PROBED, Probing
from livegraft.probe.child import Outcome
from livegraft.probe.process import Child, Zygote, ZygoteError
from livegraft.probe.sending import Sender

logger = logging.getLogger(__name__)

START_SECONDS: Final = 30.0
"""How long a child may take until it begins, what its zygote preloads before included."""

ABORT_SECONDS: Final = 1.0
"""How long a child may take to leave its stack when its time is over."""

FORKS_OF_A_ZYGOTE: Final = 500
"""Then a new one takes over, without the packages that no script uses any more."""

RETRY_SECONDS: Final = 60.0
"""How long after it was given up the probe is tried again."""

FAILURES: Final = 3
"""How many failures in a row until it is given up."""

_PRELOADED: Final = 5_000
_FRAME: Final = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
_Id = tuple[str, str]


class WarmProbe:
    """See ``livegraft.probe.Probe``.

    ``folder`` takes the sources, as the loader's does; ``prepare`` puts a module's other files there.
    ``deadline_seconds`` bounds each import, ``memory_bytes`` what it may use beyond what Python and the preloaded
    packages take.
    """

    def __init__(
        self, *, folder: Path, prepare: Callable[[PlannedModule], None], deadline_seconds: float, memory_bytes: int
    ) -> None:
        self.folder = folder.absolute()
        self.prepare = prepare
        self.deadline_seconds = deadline_seconds
        self.memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._warm: Child | None = None
        self._is_closed = True
        self._failures = 0
        self._reason = ""
        self._off_until = 0.0
        # What the zygote was told to import since a child was ready last: suspect until the next one is.
        self._suspects: list[str] = []
        self._preloaded: set[str] = set()
        self._unfit: set[str] = set()
        self._deadly: dict[_Id, LoadError] = {}

    @property
    def state(self) -> str:
        return f"failing: {self._reason}" if self._reason else "on"

    def start(self) -> None:
        with self._lock:
            self._is_closed = False
            self._make_ready()

    def begin(self, plan: Plan, modules: Sequence[PlannedModule]) -> Probing:
        return _Probing(self, plan, modules) if modules else NOTHING_PROBED

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._end()

    # -- for probings ----------------------------------------------------------------------

    def deadly(self, plan: Plan) -> dict[_Id, LoadError]:
        """What ended children before and stands in this plan; the rest is forgotten."""
        with self._lock:
            known = {id: error for id, error in self._deadly.items() if _is_in(plan, id)}
            self._deadly = known
            return dict(known)

    def remember_deadly(self, module: _Id, error: LoadError) -> None:
        with self._lock:
            self._deadly[module] = error

    def take(self) -> Child | None:
        """The child that is ready, or a new one; None while the probe does not work."""
        with self._lock:
            self._make_ready()
            while self._warm is None and self._is_wanted:  # it failed: so often in a row that it ends
                self._make_ready()
            child, self._warm = self._warm, None
            return child

    def is_ready(self, child: Child) -> None:
        """A child started: what its zygote preloaded does no harm."""
        with self._lock:
            child.zygote.has_started = True
            self._suspects.clear()

    def works(self) -> None:
        """A child did its work."""
        if self._failures or self._reason:
            with self._lock:
                self._failures, self._reason = 0, ""

    def broke(self, child: Child, reason: str, *, is_final: bool = False) -> None:
        """The zygote of a child does not do its work: it is replaced, or given up for a while."""
        with self._lock:
            if child.zygote is self._zygote:
                self._failed(reason, is_final=is_final)

    def ended(self, names: Sequence[str]) -> None:
        """A probing is over; ``names`` are modules of packages that it imported: later children shall have them."""
        with self._lock:
            new = [name for name in names if name not in self._preloaded and name not in self._unfit]
            if new and self._zygote is not None and len(self._preloaded) < _PRELOADED:
                self._zygote.preload(new)
                self._preloaded.update(new)
                self._suspects += new
                self._drop_warm()  # it was forked before
            self._make_ready()

    # -- with the lock held ----------------------------------------------------------------

    @property
    def _is_wanted(self) -> bool:
        return not self._is_closed and time.monotonic() >= self._off_until

    def _make_ready(self) -> None:
        if not self._is_wanted:
            return
        zygote = self._zygote
        if zygote is not None and not zygote.lives:
            if self._warm is not None and ["ready"] in self._warm.exchange(0)[0]:
                self._suspects.clear()
            self._unfit.update(self._suspects)
            self._end()
        elif zygote is not None and self._warm is None and zygote.fork_count >= FORKS_OF_A_ZYGOTE:
            self._end()
        if self._warm is not None:
            return
        try:
            if self._zygote is None:
                self._zygote = Zygote(
                    language="livegraft.probe.child",
                    folder=self.folder,
                    memory_bytes=self.memory_bytes,
                    environment={**os.environ, "LIVEGRAFT_PROBE": "1"},
                )
            self._warm = self._zygote.fork()
        except ZygoteError as error:
            self._failed(str(error), is_final=self._zygote is None)

    def _failed(self, reason: str, *, is_final: bool) -> None:
        self._unfit.update(self._suspects)
        reason = (self._zygote.last_words() if self._zygote is not None else "") or reason
        self._end()
        self._failures += 1
        if is_final or self._failures >= FAILURES:
            self._reason = reason
            self._off_until = time.monotonic() + RETRY_SECONDS
            logger.warning("the probe does not work, versions are loaded without it: %s", reason)

    def _drop_warm(self) -> None:
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def _end(self) -> None:
        self._drop_warm()
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None
        self._suspects, self._preloaded = [], set()


class _Probing:
    """Modules on their way through a child, and another one whenever it dies; whoever waits for a verdict drives it."""

    def __init__(self, probe: WarmProbe, plan: Plan, modules: Sequence[PlannedModule]) -> None:
        self._probe = probe
        self._plan = plan
        self._asked = {_id(module) for module in modules}
        self._deadly = probe.deadly(plan)
        self._verdicts: dict[_Id, LoadError | None] = {
            id: error for id, error in self._deadly.items() if id in self._asked
        }
        self._waiting = deque(module for module in modules if _id(module) not in self._deadly)
        self._names: list[str] = []
        self._child: Child | None = None
        self._begin_child()

    def refusal(self, module: PlannedModule) -> LoadError | None:
        if _id(module) not in self._asked:
            return None
        while _id(module) not in self._verdicts:
            self._advance()
        error = self._verdicts[_id(module)]
        return error.again() if error is not None else None

    def close(self) -> None:
        if self._asked:
            self._asked.clear()
            self._leave_child()
            self._probe.ended(self._names)

    # -- a child's life --------------------------------------------------------------------

    def _begin_child(self) -> None:
        """Hand what waits to a fresh child; when there is none to be had it is all let through."""
        self._leave_child()
        self._unsent = deque(self._waiting)
        self._begun: list[_Id] = []
        self._has_loaded = self._ran_over = self._was_killed = False
        self._until = time.monotonic() + START_SECONDS
        if not self._waiting:
            return
        self._child = child = self._probe.take()
        if child is None:
            self._verdicts.update((_id(module), None) for module in self._waiting)
            self._waiting.clear()
            return
        plan = self._plan
        self._sender = Sender(child, find=plan.modules.get, tops=plan.tops, prepare=self._probe.prepare, with_code=True)
        for name, key in self._deadly:
            child.send(["deadly", name, key])
        self._send_ahead(child)
        child.flush()  # it is at work while the host has other things to do

    def _leave_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _advance(self) -> None:
        child = self._child
        assert child is not None  # noqa: S101 - while verdicts are missing there is one
        self._send_ahead(child)
        lines, told = child.exchange(self._until - time.monotonic())
        for line in lines:
            self._hear(child, line)
            if self._child is not child:
                return
        if told:
            self._over(child, told[-1])
        elif told is None:
            self._broke(child, "its process ended")
        elif not lines and time.monotonic() >= self._until:
            self._run_over(child)

    def _send_ahead(self, child: Child) -> None:
        while self._unsent and child.has_room:
            module = self._unsent.popleft()
            self._sender.send(module)
            child.send(["load", module.name, module.key, self._plan.revision.id])

    def _hear(self, child: Child, line: list[Any]) -> None:
        match line:
            case ["ready"]:
                self._probe.is_ready(child)
            case ["begin", str(name), str(key)]:
                if not self._begun:
                    self._until = time.monotonic() + self._probe.deadline_seconds
                self._begun.append((name, key))
            case ["end"] if self._begun:
                self._begun.pop()
            case ["ask", str(name)]:
                self._sender.answer(name)
            case ["done", str(outcome), cause, list(names)] if self._waiting:
                self._done(outcome, cause, names)

    def _done(self, outcome: str, cause: object, names: Sequence[object]) -> None:
        self._probe.works()
        self._until = time.monotonic() + START_SECONDS
        self._begun.clear()
        if outcome == Outcome.MEMORY and self._has_loaded:
            # What was loaded before took some of it: now it gets a child for itself.
            self._begin_child()
            return
        self._has_loaded = True
        self._names += [name for name in names if isinstance(name, str)]
        module = self._waiting[0]
        match outcome, cause:
            case Outcome.MEMORY, [str(file), int(line)]:
                self._refuse(self._too_big(self._path(file) or module.path, line), _id(module))
                self._begin_child()
            case Outcome.MEMORY, _:
                self._refuse(self._too_big(module.path, 0), _id(module))
                self._begin_child()
            case Outcome.REFUSED, [str(name), str(key)] if (name, key) in self._deadly:
                self._refuse(self._deadly[name, key], _id(module))
            case _:
                self._verdicts[_id(self._waiting.popleft())] = None

    def _refuse(self, error: LoadError, *culprits: _Id) -> None:
        """Refuse the module that is in turn, and remember those that would end a process again."""
        self._verdicts[_id(self._waiting.popleft())] = error
        for culprit in culprits:
            self._deadly.setdefault(culprit, error)
            self._probe.remember_deadly(culprit, error)

    # -- its end ---------------------------------------------------------------------------

    def _run_over(self, child: Child) -> None:
        """Nothing came in time: have it tell where it is, then kill it, then do without it."""
        self._until = time.monotonic() + ABORT_SECONDS
        if not self._begun:
            self._broke(child, f"it was not ready within {START_SECONDS:g} s", is_final=True)
        elif not self._ran_over:
            self._ran_over = True
            child.abort()
        elif not self._was_killed:
            self._was_killed = True
            child.kill()
        else:
            self._broke(child, "it does not end its children")

    def _over(self, child: Child, told: list[Any]) -> None:
        match told:
            case ["ended", int(code), str(stack)] if self._begun:
                self._refuse(self._verdict(code, stack), *self._begun)
                self._begin_child()
            case ["ended", int(code), _]:
                self._broke(child, f"its child ended: {_how(code)}")
            case _:
                self._broke(child, f"it cannot fork: {told[-1]}")

    def _broke(self, child: Child, reason: str, *, is_final: bool = False) -> None:
        self._probe.broke(child, reason, is_final=is_final)
        self._begin_child()

    def _too_big(self, path: str, line: int) -> LoadError:
        bound = f"{self._probe.memory_bytes / 2**20:g} MiB"
        return LoadError(path, line, f"the import takes more than {bound} of memory (probe_memory_bytes)")

    def _verdict(self, code: int, stack: str) -> LoadError:
        if self._ran_over:
            reason = f"the import did not end within {self._probe.deadline_seconds:g} s (import_seconds)"
        else:
            reason = f"the import ended the process that probed it: {_how(code)}"
        frames = list(self._frames(stack))
        text = "\n".join(
            [
                "it was here:",
                *(
                    f"  {path}@{self._plan.revision.short}, line {line}, in {function}"
                    for path, line, function in reversed(frames)
                ),
            ]
        )
        if frames:
            path, line, _ = frames[0]
            return LoadError(path, line, reason, text)
        module = self._plan.modules.get(self._begun[-1][0], self._waiting[0])
        return LoadError(module.path, 0, reason)

    def _frames(self, stack: str) -> Iterator[tuple[str, int, str]]:
        """(path, line, function) of the frames that are code of the repository, innermost first."""
        for file, line, function in _FRAME.findall(stack):
            path = self._path(file)
            if path:
                yield path, int(line), function

    def _path(self, file: str) -> str:
        """The path in the repository of a source; "" for any other file."""
        try:
            return Path(file).relative_to(self._probe.folder).as_posix().partition("/")[2]
        except ValueError:
            return ""


def _id(module: PlannedModule) -> _Id:
    return module.name, module.key


def _is_in(plan: Plan, id: _Id) -> bool:
    module = plan.modules.get(id[0])
    return module is not None and module.key == id[1]


def _how(code: int) -> str:
    """``exit status 3``, ``SIGSEGV``."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
