"""Makes environments beside everything else, and reads in them what the scripts that need them look like."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livegraft import process
from livegraft.environment import (
    DescribedParameters,
    Environment,
    EnvironmentFailedError,
    EnvironmentPendingError,
    EnvironmentProblem,
    Need,
    Prepared,
    Ticket,
    digest,
)
from livegraft.errors import LoadError
from livegraft.graph import Plan, PlannedModule
from livegraft.isolation.processes import Processes, variables
from livegraft.isolation.runner import scratch_folder
from livegraft.isolation.uv import BuildError, Stopped, UvBuilder
from livegraft.probe.process import Child, ZygoteError
from livegraft.probe.sending import Sender

logger = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""How many environments are made at once: the installer uses several cores by itself."""

RETRY_SECONDS: Final = 60.0
"""How long after an environment could not be made that is tried again; each further time twice as long."""

LONGEST_RETRY_SECONDS: Final = 3600.0

START_SECONDS: Final = 30.0
"""How long a first process of an environment may take until it begins."""

_LISTEN_SECONDS: Final = 0.5
_DESCRIBED: Final = "livegraft-described"
_FORM: Final = 1
"""Of what is kept of a described module: another one is not read."""

_PIECE: Final = 1 << 16

_Id = tuple[str, str]
"""The dotted name and the key of a module."""


@dataclass(slots=True)
class _Preparation:
    """How far a module's environment is. ``error`` is how it ended last; ``ends`` counts its ends."""

    task: _Task
    is_going: bool = True
    error: LoadError | None = None
    ends: int = 0
    retry_at: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What is to be prepared: a module of a plan, for ``missing``, which the host does not have."""

    module: PlannedModule
    plan: Plan
    need: Need
    missing: LoadError
    memory_bytes: int | None


class Preparer:
    """See ``livegraft.environment.Environments``.

    ``provided`` are the names of what the host provides; ``scratch`` takes the folders in which modules are imported;
    ``settled`` is called, from a thread of this one, when a preparation came to its end. ``import_seconds`` bounds
    an import.
    """

    advice = ""

    def __init__(
        self,
        *,
        builder: UvBuilder,
        processes: Processes,
        scratch: Path,
        write_data: Callable[[PlannedModule], None],
        provided: Collection[str],
        import_seconds: float,
        settled: Callable[[], None],
    ) -> None:
        self._builder = builder
        self._processes = processes
        self._scratch = scratch.absolute()
        self._write_data = write_data
        self._provided = sorted(provided)
        self._import_seconds = import_seconds
        self._settled = settled
        self._changed = threading.Condition()
        self._preparations: dict[_Id, _Preparation] = {}
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        self._builder.start()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="livegraft-environments")

    def stop(self) -> None:
        self._builder.stop()
        threads, self._threads = self._threads, None  # who works sees it
        if threads is not None:
            threads.shutdown(cancel_futures=True)
        with self._changed:
            self._preparations.clear()
            self._changed.notify_all()

    def wait(self, timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not any(map(_is_going, self._preparations.values())), timeout)

    def prune(self, in_use: Collection[str]) -> Collection[str]:
        return self._builder.prune({*in_use, *self._processes.in_use})

    # -- for the thread that builds releases --------------------------------------------------------------------------

    def prepare(
        self, module: PlannedModule, plan: Plan, need: Need, missing: LoadError, *, memory_bytes: int | None
    ) -> Prepared:
        task = _Task(module, plan, need, missing, memory_bytes)
        with self._changed:
            known = self._preparations.get(_id(module))
            if known is None:
                prepared = self._recall(task)
                if prepared is not None:
                    return prepared
                self._preparations[_id(module)] = known = _Preparation(task)
                self._begin(known)
            pending = f"its environment is being made ({missing.reason})"
            error = known.error or EnvironmentPendingError(missing.path, missing.line, pending)
            ticket = (*_id(module), known.ends)
        again = error.again()
        if isinstance(again, EnvironmentProblem):
            again.ticket = ticket
        raise again

    def has_news(self, ticket: Ticket) -> bool:
        name, key, ends = ticket
        with self._changed:
            known = self._preparations.get((name, key))
            if known is None or known.ends != ends:
                return True
            if known.retry_at is not None and known.retry_at <= time.monotonic():
                self._begin(known)
            return False

    def forget_failed(self, plan: Plan) -> None:
        with self._changed:
            for (name, key), known in list(self._preparations.items()):
                planned = plan.modules.get(name)
                if not known.is_going and (planned is None or planned.key != key):
                    del self._preparations[name, key]

    # -- preparing -------------------------------------------------------------------------

    def _begin(self, preparation: _Preparation) -> None:
        preparation.is_going, preparation.retry_at = True, None
        if self._threads is not None:
            self._threads.submit(self._work, preparation)

    def _work(self, preparation: _Preparation) -> None:
        task, error, retry_at = preparation.task, None, None
        try:
            self._prepare(task)
        except Stopped:
            return
        except LoadError as failed:
            error = failed.again()
        except (BuildError, ZygoteError, OSError) as failed:
            where = task.missing.path, task.missing.line
            error = EnvironmentFailedError(*where, f"no environment can be made ({task.missing.reason}): {failed}")
            pause = min(RETRY_SECONDS * 2 ** min(preparation.ends, 10), LONGEST_RETRY_SECONDS)
            retry_at = time.monotonic() + pause
        except Exception:
            logger.exception("an environment was not made")
            error = EnvironmentFailedError(task.missing.path, task.missing.line, "internal error, see the log")
        with self._changed:
            preparation.is_going, preparation.retry_at = False, retry_at
            preparation.ends += 1
            preparation.error = error
            if error is None:  # what came out is on disk
                self._preparations.pop(_id(task.module), None)
            self._changed.notify_all()
        self._settled()

    def _prepare(self, task: _Task) -> None:
        environment = self._builder.find(task.need) or self._builder.build(task.need)
        told = self._describe(task, environment)
        file = self._file(task, environment)
        file.parent.mkdir(exist_ok=True)
        coming = file.with_name(f"{file.name}.{process.identity().replace(':', '-')}")
        coming.write_text(json.dumps(told), encoding="utf-8")
        coming.replace(file)

    def _recall(self, task: _Task) -> Prepared | None:
        """What was prepared before, here or in an earlier process."""
        environment = self._builder.find(task.need)
        if environment is None:
            return None
        try:
            told = json.loads(self._file(task, environment).read_text(encoding="utf-8"))
            described = DescribedParameters(task.module.script, told)
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return Prepared(environment, described)

    def _file(self, task: _Task, environment: Environment) -> Path:
        facts = [_FORM, task.module.name, task.module.key, self._provided]
        return environment.folder / _DESCRIBED / f"{digest(facts)}.json"

    # -- describing ------------------------------------------------------------------------

    def _describe(self, task: _Task, environment: Environment) -> dict[str, Any]:
        """The parameters of a module's ``run``, read in its environment. Raises LoadError, ZygoteError, OSError."""
        module, find = task.module, task.plan.modules.get
        folder = self._scratch / f"described-{threading.get_ident()}"
        with scratch_folder(folder), self._processes.one(environment) as taken:
            threading.Thread(target=_drop, args=(os.dup(taken.output),), daemon=True).start()
            sender = Sender(taken.child, find=find, tops=task.plan.tops, prepare=self._write_data)
            sender.send(module)
            settings = {
                "environment": {**variables(environment), "HOME": str(folder)},
                "folder": str(folder),
                "limits": {"memory_bytes": task.memory_bytes, "cpu_seconds": None, "open_files": None},
            }
            taken.child.send(["describe", module.name, module.key, task.plan.revision.id, self._provided, settings])
            return self._listen(task, taken.child, sender)

    def _listen(self, task: _Task, child: Child, sender: Sender) -> dict[str, Any]:
        path, until = task.module.path, time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._threads is None:
                raise Stopped
            lines, told = child.exchange(_LISTEN_SECONDS)
            for said in lines:
                match said:
                    case ["ready"]:
                        child.zygote.has_started = True
                        until = time.monotonic() + self._import_seconds
                    case ["ask", str(name)]:
                        sender.answer(name)
                    case ["described", dict() as described, None]:
                        return described
                    case ["described", None, [str(place), int(line), str(reason), str(text)]]:
                        raise LoadError(place, line, reason, text)
            match told:
                case None:
                    raise ZygoteError(child.zygote.last_words() or "its process ended")
                case [*_, ["ended", int(code), str(stack)]]:
                    raise LoadError(path, 0, f"the import ended its process with status {code}", stack)
                case [*_, ["failed", str(reason)]]:
                    raise ZygoteError(reason)
        raise LoadError(path, 0, f"the import did not end within {self._import_seconds:g} s (import_seconds)")


def _is_going(preparation: _Preparation) -> bool:
    return preparation.is_going


def _id(module: PlannedModule) -> _Id:
    return module.name, module.key


def _drop(pipe: int) -> None:
    """Read what an import prints, so that it never waits, and keep nothing."""
    try:
        while os.read(pipe, _PIECE):
            pass
    finally:
        os.close(pipe)
