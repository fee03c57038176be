"""Runs in processes of their own: forked by a zygote that has what they import, ended with all that they started."""

from __future__ import annotations

import base64
import logging
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from livegraft import process
from livegraft.bars import Progress, ToldBars
from livegraft.graph import PlannedModule
from livegraft.isolation.processes import MARK, Processes, variables
from livegraft.probe.process import Child, ZygoteError
from livegraft.probe.sending import Sender
from livegraft.run import BODY_KINDS, MEDIA_TYPES, RunFailure, RunResult
from livegraft.runner import Call, Isolated, Job
from livegraft.runner.outcome import INTERRUPTED, Outcome
from livegraft.runner.output import RunOutput
from livegraft.table import Table

logger = logging.getLogger(__name__)

_LISTEN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
_PIECE: Final = 1 << 16
_HINTS: Final = {
    "SIGKILL": ": by the kernel if memory ran out, or by somebody",
    "SIGXCPU": ": it took more processor time than its header allows (cpu)",
}


class ProcessRunner:
    """See ``livegraft.runner.Runner``. A thread of the host waits for each run.

    ``scratch`` takes the folders in which runs begin, which go with them, ``uploads`` has the files that they are
    given; ``prepare`` puts the files of a module that are no Python where its source will stand.
    """

    def __init__(
        self, *, processes: Processes, scratch: Path, uploads: Path, prepare: Callable[[PlannedModule], None]
    ) -> None:
        self._processes = processes
        self._scratch = scratch.absolute()
        self._uploads = uploads.absolute()
        self._prepare = prepare
        self._lock = threading.Lock()
        self._going: dict[Job, Child] = {}

    def start(self, job: Job) -> None:
        threading.Thread(target=self._work, args=(job,), name="livegraft-isolated", daemon=True).start()

    def ask(self, job: Job) -> None:
        """Send TERM: the run sees that it is asked, an async one is cancelled."""
        self._tell(job, Child.terminate)

    def interrupt(self, job: Job) -> None:
        """Send TERM again: now it raises an exception in the run."""
        self._tell(job, Child.terminate)

    def give_up(self, job: Job) -> bool:
        self._tell(job, Child.kill)
        return True

    def stop(self) -> None:
        self._processes.stop()

    def _tell(self, job: Job, what: Callable[[Child], None]) -> None:
        with self._lock:
            child = self._going.get(job)
            if child is not None:
                what(child)

    def _work(self, job: Job) -> None:
        if not job.begin():
            return
        call = job.take()
        try:
            outcome = self._execute(job, call) if call is not None else INTERRUPTED
        except (ZygoteError, OSError) as error:
            outcome = Outcome(failure=RunFailure("process", f"no process is to be had for the run: {error}"))
        except Exception as error:
            logger.exception("an isolated run was not seen to its end")
            outcome = Outcome(failure=RunFailure("process", f"internal error: {type(error).__name__}"))
        job.end(outcome)

    def _execute(self, job: Job, call: Call) -> Outcome:
        isolated = call.isolated
        assert isolated is not None  # noqa: S101 - the dispatcher gives only such calls to this runner
        with scratch_folder(self._scratch / job.run.id) as folder, self._processes.one(isolated.environment) as taken:
            child, ended = taken.child, threading.Event()
            copier = threading.Thread(target=_copy, args=(taken.output, job.run.output, ended), daemon=True)
            copier.start()
            try:
                with self._lock:
                    self._going[job] = child
                if job.run.cancel_requested:
                    child.terminate()
                return self._listen(job, child, isolated, self._line(job, call, isolated, folder))
            finally:
                with self._lock:
                    del self._going[job]
                ended.set()
                copier.join()

    def _line(self, job: Job, call: Call, isolated: Isolated, folder: Path) -> list[Any]:
        settings = {
            "id": job.run.id,
            "environment": {**variables(isolated.environment), "HOME": str(folder)},
            "folder": str(folder),
            "uploads": str(self._uploads),
            "artifacts": str(job.run.folder) if job.run.folder is not None else None,
            "slot_at": job.run.slot_at.isoformat() if job.run.slot_at is not None else None,
            "limits": asdict(isolated.limits),
        }
        return ["run", isolated.module.name, isolated.module.key, isolated.revision, dict(call.given), settings]

    def _listen(self, job: Job, child: Child, isolated: Isolated, line: list[Any]) -> Outcome:
        """Hand the run over and hear what it says, until its process has ended."""
        sender = Sender(child, find=isolated.find, tops=isolated.tops, prepare=self._prepare)
        sender.send(isolated.module)
        child.send(line)
        if isolated.limits.processes is not None:
            child.bound(isolated.limits.processes)
        outcome: Outcome | None = None
        too_many = 0
        while True:
            lines, told = child.exchange(_LISTEN_SECONDS)
            for said in lines:
                match said:
                    case ["ready"]:
                        child.zygote.has_started = True
                    case ["ask", str(name)]:
                        sender.answer(name)
                    case ["imported", list(names)]:
                        self._processes.imported(
                            isolated.environment, [name for name in names if isinstance(name, str)]
                        )
                    case ["progress", list(bars)]:
                        job.run.bars = _bars(bars)
                    case ["outcome", result, failure]:
                        outcome = _outcome(result, failure)
            for said in told or ():
                match said:
                    case ["too many", int(count)]:
                        too_many = count
            match told:
                case [*_, ["ended", int(), str(stack)]] if too_many:
                    reason = f"expected at most {isolated.limits.processes} processes, found {too_many}: all are killed"
                    return Outcome(failure=RunFailure("process", reason, traceback=stack))
                case None:
                    return outcome or Outcome(failure=RunFailure("process", "its process ended with the zygote"))
                case [*_, ["ended", int(code), str(stack)]]:
                    return outcome or Outcome(failure=_death(code, stack))
                case [*_, ["failed", str(reason)]]:
                    raise ZygoteError(reason)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A new folder that goes with what is in it."""
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> list[int]:
    """End what runs of hosts that are gone have left on this machine; their process ids."""
    ended = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            variables = file.read_bytes().split(b"\0")
            host = next((each.partition(b"=")[2].decode() for each in variables if each.startswith(_MARKED)), "")
            # Of a host in a container of this machine nobody outside can tell whether it lives.
            if process.is_of_this_machine(host) and not process.is_alive(host):
                os.kill(int(file.parent.name), signal.SIGKILL)
                ended.append(int(file.parent.name))
    return ended


_MARKED: Final = f"{MARK}=".encode()


def _copy(pipe: int, output: RunOutput, ended: threading.Event) -> None:
    """Pass on what a run writes; a process that it left behind may hold the pipe open, and is not waited for."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    while True:
        was_over = ended.is_set()
        if poller.poll(_LOOK_SECONDS * 1000):
            data = os.read(pipe, _PIECE)
            if not data:
                return
            output.write(data, "")  # one pipe for all: no telling which stream or level
        elif was_over:
            return


def _bars(told: list[Any]) -> ToldBars:
    """How far a run is, as its process said; what makes no sense is left out."""
    bars = []
    for each in told:
        match each:
            case [int() | float() | None as fraction, str(text)]:
                bars.append(Progress.of(fraction, text))
    return ToldBars(bars)


def _outcome(result: Any, failure: Any) -> Outcome:
    """What the process of a run said of its end. Its code may have written there as well: nothing is believed."""
    try:
        if failure is not None:
            told = RunFailure(**failure)
            if all(isinstance(each, str) for each in (told.type, told.message, told.traceback)):
                return Outcome(failure=told)
        elif result is not None:
            return Outcome(_result(**result))
    except (TypeError, ValueError):
        pass
    return Outcome(failure=RunFailure("process", "the process of the run told nonsense of its end"))


def _result(*, kind: Any, value: Any, note: Any, body: Any) -> RunResult:
    """Raises TypeError and ValueError when it is not what ``keep`` makes."""
    if kind not in MEDIA_TYPES or not isinstance(note, str):
        raise ValueError("expected the kind and the note of a result")
    if kind not in BODY_KINDS:
        return RunResult(kind, value if kind == "json" else str(value), note)
    made = RunResult(kind, None, note, base64.b64decode(body, validate=True))
    if kind != "table":
        return made
    table = Table.parse(made.body)
    return replace(made, value={"columns": list(table.columns), "row_count": table.row_count})


def _death(code: int, stack: str) -> RunFailure:
    if code >= 0:
        return RunFailure("process", f"its process ended with status {code}", traceback=stack)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return RunFailure("process", f"its process was ended by {name}{_HINTS.get(name, '')}", traceback=stack)
