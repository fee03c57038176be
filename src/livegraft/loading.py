"""Loader threads: version code is imported there, under a deadline, never on a thread of the host.

Each piece of work has a thread of its own: what an import leaves in the thread locals of a library (a cache, a
connection, a context of ``decimal``) or sets for its thread (``sys.settrace``) ends with it, and holds no version.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from livegraft import hooks
from livegraft.errors import LoadError
from livegraft.frames import frames_of_other_threads, stack
from livegraft.loader import Loader
from livegraft.pauses import Pauses
from livegraft.raising import raise_in

T = TypeVar("T")

_OF_NEW_THREADS: Final = ("threading.settrace", "threading.setprofile")
"""What Python calls in each thread that begins; when it fails the thread ends before its work."""

_ENDED_EARLY: Final = (
    "expected the loader thread to execute it, but the thread ended at once; please look at what the host gave "
    "threading.settrace and threading.setprofile: its error is on standard error"
)


@dataclass(slots=True)
class Ended(Generic[T]):
    """How a piece of work ended: with a value, or with an error."""

    value: T | None = None
    error: BaseException | None = None

    def result(self) -> T:
        """The value; raises the error, and lets go of it."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return self.value  # type: ignore[return-value] # None only where T has it
        finally:
            del error


class _Shift(Generic[T]):
    """Pieces of work for one thread, and how those that ended did."""

    def __init__(self, works: Sequence[tuple[Callable[[], T], str]]) -> None:
        self._works = works
        self.ended: list[Ended[T]] = []
        self._began_at = time.monotonic()
        self._given_up = False
        self._turn = threading.Lock()

    def work_off(self) -> None:
        """Do one after the other; called on a loader thread."""
        pause = Pauses()
        for work, _ in self._works:
            try:
                ended = Ended(work())
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                ended = Ended[T](error=error)
            with self._turn:
                if self._given_up:
                    return
                self.ended.append(ended)
                self._began_at = time.monotonic()
            del ended, work
            pause()

    def wait(self, thread: threading.Thread, seconds: float) -> int | None:
        """Wait for the end of the thread; the number of the piece that did not end in so many seconds, then given up.

        With the thread its locals end: nothing in them holds a version when this returns.
        """
        while thread.is_alive():
            thread.join(max(self._began_at + seconds - time.monotonic(), 0))
            with self._turn:
                if thread.is_alive() and time.monotonic() >= self._began_at + seconds:
                    if len(self.ended) == len(self._works):
                        return None  # what it has in its locals takes long to end
                    self._given_up = True
                    return len(self.ended)
        return None


class ImportAbandonedError(BaseException):
    """Raised in a loader thread whose import did not end in time: no handler for Exception catches it."""


class LoadThread:
    """Does imports one after the other, on a thread for each time that it is asked; one that does not end is given up.

    ``deadline_seconds`` bounds each piece of work.
    """

    def __init__(self, *, loader: Loader, deadline_seconds: float = 10.0) -> None:
        self._loader = loader
        self._deadline_seconds = deadline_seconds
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[[], T], path: str) -> T:
        """Do the work on a loader thread and return what it returns.

        Raises what it raises, and LoadError naming the place when it does not end in time; ``path`` is
        the file on whose behalf it is done. Called on a loader thread itself it just does it.
        """
        if self.is_current():
            return work()
        return self.call_each([(work, path)])[0].result()

    def call_each(self, works: Sequence[tuple[Callable[[], T], str]]) -> list[Ended[T]]:
        """Do several pieces of work, handed over at once; how each ended, in their order.

        The deadline holds for each piece; one that is given up leaves the others to a new thread.
        """
        ended: list[Ended[T]] = []
        with self._lock:
            while len(ended) < len(works):
                shift = _Shift(works[len(ended) :])
                self._thread = threading.Thread(target=shift.work_off, name="livegraft-loader", daemon=True)
                # In an empty context: it must not belong to the run that asks.
                contextvars.Context().run(self._thread.start)
                stuck = shift.wait(self._thread, self._deadline_seconds)
                ended += shift.ended
                if stuck is not None:
                    ended.append(Ended(error=self._give_up(self._thread, works[len(ended)][1])))
                elif len(ended) < len(works) and not hooks.restore_of_versions(*_OF_NEW_THREADS):
                    ended.append(Ended(error=LoadError(works[len(ended)][1], 0, _ENDED_EARLY)))
            self._thread = None
        return ended

    def is_current(self) -> bool:
        """Whether this is called on the loader thread that is at work."""
        return threading.current_thread() is self._thread

    def _give_up(self, thread: threading.Thread, path: str) -> LoadError:
        """Leave the thread behind, ask its Python code to end, and mark what it was executing as failed."""
        assert thread.ident is not None  # noqa: S101 - it was started
        failure = self._describe(thread.ident, path)
        for version in self._loader.loading(thread.ident):
            self._loader.abandon(version, failure.again())
        raise_in(thread.ident, ImportAbandonedError)
        return failure

    def _describe(self, ident: int, path: str) -> LoadError:
        reason = f"the import did not end within {self._deadline_seconds:g} s (import_seconds)"
        line, text = 0, []
        for frame, number in reversed(list(stack(frames_of_other_threads().get(ident)))):
            place = self._loader.locate(frame.f_code.co_filename)
            if place is not None:
                path, line = place[0], number
                text.append(f"  {place[0]}@{place[1]}, line {number}, in {frame.f_code.co_name}")
        return LoadError(path, line, reason, "\n".join(["still here:", *text]) if text else "")
