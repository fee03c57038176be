"""Raising an exception in the thread of a run, and in nothing but the run.

The race to win: an exception that is meant for one run must never strike the thread when it
already does something else, the next run for example. CPython delivers such an exception at some
later bytecode of the thread, so setting it at the right moment is not enough. Three rules do it:

1. It is set only while the window is open, and the window's lock is held for looking and setting. Who
   closes the window holds the same lock, so after closing none can be set any more.
2. Closing takes back one that was set and not yet delivered, while it holds the lock.
3. A window is used once at most. So when the exception strikes in the closing itself, which
   then does not come to its end, there is none left that could follow.

What is left is one exception that may strike anywhere between opening and the end of closing: whoever opens a
window catches ``RunCancelledError`` around it.
"""

from __future__ import annotations

import threading
from types import TracebackType

from livegraft.raising import raise_in, take_back


class RunCancelledError(BaseException):
    """Raised in the code of a run that was asked to stop and did not. No ``except Exception`` catches it."""


class Window:
    """The time in which the thread of a job may be interrupted: the body of ``with window:``.

    It may be opened again and again, also by different threads after each other.
    """

    __slots__ = ("_lock", "_thread", "_used")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._used = False

    @property
    def thread(self) -> int | None:
        """The thread that is in the window now."""
        return self._thread

    def __enter__(self) -> None:
        with self._lock:
            self._thread = threading.get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._thread = None
            if self._used:
                take_back()

    def interrupt(self) -> bool:
        """Raise RunCancelledError in the thread; False when it is not in the window, or was interrupted before.

        It strikes at the next bytecode: a call into C that does not return is not interrupted.
        """
        with self._lock:
            if self._thread is None or self._used:
                return False
            self._used = True
            return raise_in(self._thread, RunCancelledError)
