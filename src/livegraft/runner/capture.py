"""What the code of a run prints, logs and warns goes to the output of that run.

``sys.stdout`` and ``sys.stderr`` are replaced by streams that ask the context which run is
executing. Threads that a run starts belong to it. Everything outside a run reaches the host's own
streams and handlers as before, and no level of the host's loggers is touched.
"""

from __future__ import annotations

import functools
import io
import logging
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, Final, TextIO, cast

from livegraft.context import CurrentRun, Output, current_run, open_run
from livegraft.live import PREFIX, plain_name


class RoutedStream:
    """Stands for ``sys.stdout`` or ``sys.stderr``: to the run's output inside a run, to the host's stream outside."""

    def __init__(self, host: TextIO, level: str = "out") -> None:
        self.host = host
        self._level = level

    def write(self, text: str) -> int:
        run = open_run()
        if run is None:
            return self.host.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        run.output.write(text, self._level)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if open_run() is None:
            self.host.flush()

    def isatty(self) -> bool:
        return open_run() is None and self.host.isatty()

    @property
    def buffer(self) -> Any:
        run = open_run()
        return self.host.buffer if run is None else _RunBuffer(run.output, self._level)

    @property
    def encoding(self) -> str:
        return self.host.encoding if open_run() is None else "utf-8"

    # A run may not close or change the host's stream, though many scripts do so with their own.
    def close(self) -> None:
        if open_run() is None:
            self.host.close()

    def reconfigure(self, **options: Any) -> None:
        if open_run() is None:
            cast(io.TextIOWrapper, self.host).reconfigure(**options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)


class _RunBuffer(io.RawIOBase):
    """``sys.stdout.buffer`` inside a run."""

    def __init__(self, output: Output, level: str) -> None:
        self._output = output
        self._level = level

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._output.write(data, self._level)
        return memoryview(data).nbytes


class _LiveLogger(logging.Logger):
    """The parent of the loggers of versions: what a run logs goes to its output only, the rest to the host."""

    @property
    def propagate(self) -> bool:
        return open_run() is None

    @propagate.setter
    def propagate(self, value: bool) -> None:
        pass


class _NoLock:
    """Looks like a lock to ``logging``, which takes it by method (3.11, 3.12) or as a context (3.13)."""

    def acquire(self) -> None:
        """Nothing to wait for."""

    release = acquire

    def __enter__(self) -> None:
        """Nothing to wait for."""

    def __exit__(self, *raised: object) -> None:
        """Nothing to let go."""


class _RunHandler(logging.Handler):
    """Writes records of a run to its output."""

    def createLock(self) -> None:
        # An interrupted run would leave the lock taken for ever; the output has its own.
        self.lock = _NoLock()  # type: ignore[assignment]

    def emit(self, record: logging.LogRecord) -> None:
        run = open_run()
        if run is None:
            self.outside(record)
            return
        try:
            run.output.write(self.format(record) + "\n", _level(record.levelno))
        except Exception:  # noqa: BLE001 - as every handler of logging: told on stderr, never raised
            self.handleError(record)

    def outside(self, record: logging.LogRecord) -> None:
        """Do for the host what logging does by itself when there is no handler but this one."""
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _host_handles(record.name):
            last.handle(record)


class _LiveRunHandler(_RunHandler):
    """The one on the loggers of versions, from where records outside a run go on to the root."""

    def outside(self, record: logging.LogRecord) -> None:
        if not logging.root.handlers:
            super().outside(record)


class RunFormatter(logging.Formatter):
    """``12:30:00.250 INFO reports.daily: message``, in UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {plain_name}: {message}", style="{", validate=False)

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.plain_name = plain_name(record.name)
        return super().formatMessage(record)


def _level(number: int) -> str:
    """The standard level that a record reaches."""
    for name, least in (("critical", 50), ("error", 40), ("warning", 30), ("info", 20)):
        if number >= least:
            return name
    return "debug"


def _host_handles(name: str) -> bool:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if not all(isinstance(handler, _RunHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


_start_thread: Final = threading.Thread.start


def _start_in_run(thread: threading.Thread) -> None:
    """``Thread.start``: a thread that is started inside a run belongs to that run."""
    run = open_run()
    if run is not None:
        run.threads.add(thread)
        thread.run = functools.partial(_run_in_run, thread, run, thread.run)  # type: ignore[method-assign]
    _start_thread(thread)


def _run_in_run(thread: threading.Thread, run: CurrentRun, body: Any) -> None:
    del thread.run  # ends the cycle through the bound method
    current_run.set(run)
    body()


class Capture:
    """Installs all this in the process, once for all supervisors that ask for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._running = False
        self._root_handler = _RunHandler()
        self._live_handler = _LiveRunHandler()
        for handler in (self._root_handler, self._live_handler):
            handler.setFormatter(RunFormatter())

    def install(self) -> None:
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            self._route_streams()
            threading.Thread.start = _start_in_run  # type: ignore[method-assign, assignment]
            live = logging.getLogger(PREFIX.rstrip("."))
            live.__class__ = _LiveLogger
            if live.level == logging.NOTSET:
                live.setLevel(logging.INFO)
            live.addHandler(self._live_handler)

    def uninstall(self) -> None:
        """Undo it for the last user. What somebody put over ours stays, and goes through ours to the host."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if isinstance(stream, RoutedStream):
                    setattr(sys, name, stream.host)
            if threading.Thread.start is _start_in_run:
                threading.Thread.start = _start_thread  # type: ignore[method-assign]
            logging.getLogger(PREFIX.rstrip(".")).removeHandler(self._live_handler)

    def prepare(self) -> None:
        """A run begins: make sure that all is in place. The host may have configured logging or its streams since."""
        if self._users:
            if not self._running:
                self._route_streams()
            logging.root.addHandler(self._root_handler)
        self._running = True

    def rest(self) -> None:
        """No run is in progress any more.

        Our handler leaves the root, because ``logging.basicConfig`` of the host does nothing while there is one.
        """
        self._running = False
        logging.root.removeHandler(self._root_handler)

    @staticmethod
    def handlers_of_host() -> tuple[logging.Handler, ...]:
        """The handlers of the root logger, without ours."""
        return tuple(handler for handler in logging.root.handlers if not isinstance(handler, _RunHandler))

    def _route_streams(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, RoutedStream):
                setattr(sys, name, RoutedStream(stream, name.removeprefix("std")))


capture: Final = Capture()
"""The one of this process."""
