"""The loader thread: version code is imported here, under a deadline, never on a thread of the host."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue
from typing import Any, TypeVar

from livegraft.errors import LoadError
from livegraft.frames import frames_of_other_threads, stack
from livegraft.loader import Loader

T = TypeVar("T")

_Job = tuple[Callable[[], Any], "Future[Any]"]


class ImportAbandonedError(BaseException):
    """Raised in a loader thread whose import did not end in time: no handler for Exception catches it."""


class LoadThread:
    """Does imports one after the other; one that does not end is given up and gets no other in its way.

    ``deadline_seconds`` bounds each piece of work.
    """

    def __init__(self, *, loader: Loader, deadline_seconds: float = 10.0) -> None:
        self._loader = loader
        self._deadline_seconds = deadline_seconds
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[[], T], path: str) -> T:
        """Do the work on the loader thread and return what it returns.

        Raises what it raises, and LoadError naming the place when it does not end in time; ``path`` is
        the file on whose behalf it is done. Called on the loader thread itself it just does it.
        """
        if self.is_current():
            return work()
        with self._lock:
            thread = self._ready_thread()
            future: Future[T] = Future()
            self._jobs.put((work, future))
            try:
                return future.result(self._deadline_seconds)
            except FutureTimeoutError:
                if future.done():  # the work itself raised it
                    raise
                failure = self._give_up(thread, path)
        raise failure

    def is_current(self) -> bool:
        """Whether this is called on the loader thread."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        with self._lock:
            if self._thread is not None:
                self._jobs.put(None)
                self._thread.join(self._deadline_seconds)
                self._thread = None

    def _ready_thread(self) -> threading.Thread:
        if self._thread is None:
            self._jobs = SimpleQueue()
            self._thread = threading.Thread(target=_work, args=(self._jobs,), name="livegraft-loader", daemon=True)
            self._thread.start()
        return self._thread

    def _give_up(self, thread: threading.Thread, path: str) -> LoadError:
        """Leave the thread behind, ask its Python code to end, and mark what it was executing as failed."""
        assert thread.ident is not None  # noqa: S101 - it was started
        failure = self._describe(thread.ident, path)
        for version in self._loader.loading(thread.ident):
            self._loader.abandon(version, failure.again())
        self._jobs.put(None)  # should it ever come back
        self._thread = None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(ImportAbandonedError))
        return failure

    def _describe(self, ident: int, path: str) -> LoadError:
        reason = f"the import did not end within {self._deadline_seconds:g} s"
        line, text = 0, []
        for frame, number in reversed(list(stack(frames_of_other_threads().get(ident)))):
            place = self._loader.locate(frame.f_code.co_filename)
            if place is not None:
                path, line = place[0], number
                text.append(f"  {place[0]}@{place[1]}, line {number}, in {frame.f_code.co_name}")
        return LoadError(path, line, reason, "\n".join(["still here:", *text]) if text else "")


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        _do(*job)
        # A name here would keep the last work, and with it a version, until the next one comes.
        del job


def _do(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits
        future.set_exception(error)
    finally:
        del work, future
