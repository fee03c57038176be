"""The process of one isolated run: a child of a zygote, with nothing of the host but what it is sent.

The host describes modules as to a probe (``livegraft.probe.child``) and then sends
``["run", name, key, revision, arguments, {"id", "environment", "folder", "artifacts", "slot_at", "uploads",
"limits"}]``. It answers ``["imported", [module, ...]]`` when it brought modules from outside of the repository,
``["progress", [[fraction, text], ...]]`` now and then, and at the end
``["outcome", result, failure]``, of which one is null. Its standard output and error are a pipe of their own.

It may be sent ``["describe", name, key, revision, [what the host provides, ...], settings]`` instead, and answers
``["described", {"schema", "provided", "secrets", "files"}, null]``, or
``["described", null, [path, line, reason, traceback]]``.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import faulthandler
import inspect
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from livegraft.bars import Progress
from livegraft.context import CurrentRun, current_run
from livegraft.errors import LoadError
from livegraft.graph import PlannedModule
from livegraft.parameters import Parameters, Resources
from livegraft.probe.child import ImportingChild, limit_memory
from livegraft.probe.zygote import Settings
from livegraft.runner.capture import RunFormatter
from livegraft.runner.failure import describe
from livegraft.runner.interrupt import RunCancelledError
from livegraft.runner.outcome import INTERRUPTED, Outcome, outcome_of
from livegraft.version import Version

PROGRESS_SECONDS: Final = 0.2

_OF_THE_HOST: Final = object()
"""Stands for what only the host has."""


def serve(channel: socket.socket, stack: int, settings: Settings, more: list[int]) -> None:
    """Be the process of a run: wait for it, execute it, tell its outcome, end."""
    [output] = more
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    faulthandler.enable(stack, all_threads=False)
    _Worker(channel, Path(settings.folder)).serve()


class _Standard:
    """The run's own output, for what livegraft itself writes into it."""

    def write(self, data: str | bytes, level: str = "out") -> None:
        with suppress(OSError):
            os.write(1, data.encode() if isinstance(data, str) else data)


class _Worker(ImportingChild):
    def __init__(self, channel: socket.socket, folder: Path) -> None:
        super().__init__(channel, folder)
        self._run: CurrentRun | None = None
        self._revision = ""
        self._uploads: Path | None = None
        self._cancel: Callable[[], object] = lambda: None

    def obey(self, line: list[Any]) -> None:
        match line:
            case ["run", name, key, revision, arguments, settings]:
                self._execute(self.module(name, key), revision, arguments, settings)
            case ["describe", name, key, revision, provided, settings]:
                self._describe(self.module(name, key), revision, provided, settings)
            case _:
                super().obey(line)

    def _describe(
        self, module: PlannedModule, revision: str, provided: Sequence[str], settings: Mapping[str, Any]
    ) -> None:
        """Tell what people fill in to run a script that the host cannot import."""
        self._revision = revision
        _settle_in(settings)
        told, failed = None, None
        try:
            parameters = self._parameters(module, revision, Resources(dict.fromkeys(provided, _OF_THE_HOST)))
            told = {
                "schema": parameters.schema,
                "provided": sorted(parameters.provided),
                "secrets": sorted(parameters.secrets),
                "files": sorted(parameters.files),
            }
        except LoadError as error:
            failed = error
        except BaseException as error:  # noqa: BLE001 - code of the script may raise anything
            failed = self._load_error(error, module.path)
        self.tell(["described", told, [failed.path, failed.line, failed.reason, failed.text] if failed else None])
        os._exit(0)

    def explain(self, error: BaseException, version: Version) -> LoadError:
        return self._load_error(error, version.path)

    def _load_error(self, error: BaseException, path: str) -> LoadError:
        failure = describe(error, self._locate)
        reason = f"{failure.type}: {failure.message}"
        return LoadError(failure.path or path, failure.line, reason, failure.traceback)

    def _parameters(self, module: PlannedModule, revision: str, resources: Resources) -> Parameters:
        function = getattr(self.load(module, revision).executed_module, "run", None)
        if not callable(function):
            raise LoadError(module.path, 0, f"expected run to be a function, got: {type(function).__name__}")
        return Parameters(function, script=module.script, resources=resources)

    def _execute(
        self, module: PlannedModule, revision: str, arguments: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        self._revision = revision
        self._uploads = Path(settings["uploads"])
        folder = Path(settings["artifacts"]) if settings["artifacts"] else None
        slot_at = datetime.fromisoformat(settings["slot_at"]) if settings["slot_at"] else None
        run = self._run = CurrentRun(settings["id"], _Standard(), folder, slot_at)
        current_run.set(run)
        _settle_in(settings)
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        threading.Thread(target=self._tell_progress, args=(run,), daemon=True).start()
        outcome: Outcome | None = None
        with suppress(RunCancelledError):  # it may strike while the outcome is described
            outcome = outcome_of(lambda: self._call(module, revision, arguments), self._locate)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._tell(outcome or INTERRUPTED)

    def _call(self, module: PlannedModule, revision: str, arguments: Mapping[str, Any]) -> Any:
        self.look_from_here()
        version = self.load(module, revision)
        if names := self.harmless():
            self.tell(["imported", names])
        function = version.executed_module.run
        parameters = Parameters(function, script=module.script, resources=Resources(None))
        bound = parameters.bind(arguments, uploads=self._uploads)
        if inspect.iscoroutinefunction(function):
            return asyncio.run(self._call_async(function, bound))
        return function(**bound)

    async def _call_async(self, function: Callable[..., Any], bound: Mapping[str, Any]) -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        return await function(**bound)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        """Once it is a request, which code may look for or be woken by; the second time it is an exception."""
        assert self._run is not None  # noqa: S101 - it is set before the handler
        if self._run.cancel_requested:
            raise RunCancelledError
        self._run.cancel_requested = True
        self._cancel()

    def _locate(self, file: str) -> tuple[str, str] | None:
        place = self.loader.locate(file)
        return (place[0], self._revision[:8]) if place is not None else None

    def _tell_progress(self, run: CurrentRun) -> None:
        told: tuple[Progress, ...] = ()
        while True:
            time.sleep(PROGRESS_SECONDS)
            if (bars := run.bars.shown) != told:
                told = bars
                self.tell(["progress", [[each.fraction, each.text] for each in bars]])

    def _tell(self, outcome: Outcome) -> None:
        """Say how it came out and leave: threads that go on end with the process."""
        ends: tuple[Callable[[], object], ...] = (
            atexit._run_exitfuncs,
            lambda: sys.stdout.flush(),  # what is there now: the run may have put anything in its place
            lambda: sys.stderr.flush(),
        )
        for end in ends:
            with suppress(BaseException):
                end()
        result = asdict(outcome.result) if outcome.result is not None else None
        if result is not None:
            result["body"] = base64.b64encode(result["body"]).decode()
        failure = asdict(outcome.failure) if outcome.failure is not None else None
        self.tell(["outcome", result, failure])
        os._exit(0)


def _settle_in(settings: Mapping[str, Any]) -> None:
    """Take on the surroundings of the run: its environment, folder, streams and limits."""
    os.environ.clear()
    os.environ.update(settings["environment"])
    os.chdir(settings["folder"])
    time.tzset()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = open(  # noqa: SIM115 - it is there until the process ends
            descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RunFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    limits = settings["limits"]
    if limits["cpu_seconds"] is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"], limits["cpu_seconds"] + 1))
    if limits["open_files"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits["open_files"], limits["open_files"]))
    if limits["memory_bytes"] is not None:
        limit_memory(limits["memory_bytes"])
