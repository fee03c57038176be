"""Notices who held the interpreter, when for a second no other Python code of the process went on.

While C code computes without letting go of the interpreter, no Python code can look on. A thread that wants to go on
every half second comes late then. It is the first or one of the first that goes on when the call into C is over: the
thread that made the call still stands at the line where it made it, and the processor time that each thread took
tells which one that is. One that came to the end of its run before is asked there (``stalls_since``).

A stall that never ends is seen by nobody in the process, and nothing is written down (ADR 19 says why).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Final

from livegraft.frames import frames_of_other_threads, stack
from livegraft.runner.failure import Locate

logger = logging.getLogger(__name__)

HELD_SECONDS: Final = 1.0
BEAT_SECONDS: Final = 0.5
MOST_STALLS: Final = 50
"""How many are remembered, the last ones."""

_BUSY_SECONDS: Final = 0.2
_BUSY_SHARE: Final = 0.7
"""Who took less processor time than this, or less of what the process took, did not hold the interpreter: the process
did not go on, because it was stopped or the machine had no time for it, or several threads took turns."""

_MOST_THREADS: Final = 200
_SHOWN_FRAMES: Final = 20


@dataclass(frozen=True, slots=True)
class _Times:
    """How much processor time each thread had taken, in seconds by its ident."""

    names: dict[int, str]
    seconds: dict[int, float]

    @classmethod
    def now(cls) -> _Times:
        names, seconds = {}, {}
        for thread in threading.enumerate()[:_MOST_THREADS]:
            if thread.ident is not None and thread.native_id is not None:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    seconds[thread.ident] = _taken(thread.native_id)
                    names[thread.ident] = thread.name
        return cls(names, seconds)

    def taken_since(self, before: _Times) -> dict[int, float]:
        """What each thread took meanwhile."""
        return {thread: each - before.seconds.get(thread, 0.0) for thread, each in self.seconds.items()}


@dataclass(frozen=True, slots=True)
class Stall:
    """That somebody held the interpreter, so that all else stalled, for so many seconds.

    ``path``, ``line``, ``function`` and ``revision`` are those of the innermost code of a script, or of the host if
    there is none; empty when the thread had gone on. ``stack`` is that of the thread, innermost call last.
    """

    at: datetime
    seconds: float
    thread: int
    name: str
    path: str = ""
    line: int = 0
    function: str = ""
    revision: str = ""
    stack: str = ""

    def __str__(self) -> str:
        place = f", at {self.path}:{self.line} in {self.function}" if self.path else ""
        revision = f" ({self.revision})" if self.revision else ""
        return (
            f"stalled the interpreter for {self.seconds:.1f} s{place}{revision}: "
            "no other thread of the process could go on"
        )


Listener = Callable[[Stall], None]


class Watchdog:
    """See the module. One for a process, for all supervisors that ask for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: list[tuple[Locate, Listener]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._beat_at = 0.0
        self._times = _Times({}, {})
        self._stalls: deque[tuple[float, Stall]] = deque(maxlen=MOST_STALLS)

    def start(self, locate: Locate, told: Listener) -> None:
        """Watch from now on, and tell of every stall."""
        with self._lock:
            self._users.append((locate, told))
            if self._thread is None:
                self._stopping.clear()
                self._beat()
                self._thread = threading.Thread(target=self._watch, name="livegraft-watchdog", daemon=True)
                self._thread.start()

    def stop(self, told: Listener) -> None:
        """For the one who started with that listener. Idempotent."""
        with self._lock:
            self._users = [user for user in self._users if user[1] != told]
            if self._users or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._stopping.set()
        thread.join()

    def stalls_since(self, began: float, thread: int) -> list[Stall]:
        """Those that a thread caused after a time on the monotonic clock, one that is not told yet too."""
        if self._thread is None:
            return []
        if time.monotonic() - self._beat_at >= HELD_SECONDS:
            self._look()  # the one who held it comes to its end before the watchdog does
        with self._lock:
            return [stall for ended, stall in self._stalls if ended > began and stall.thread == thread]

    # -- watching --------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stopping.wait(BEAT_SECONDS):
            try:
                self._look()
            except Exception:
                logger.exception("the watchdog did not look")

    def _look(self) -> None:
        late = time.monotonic() - self._beat_at
        # First of all: with every step the thread that held the interpreter may go on.
        frames = frames_of_other_threads() if late >= HELD_SECONDS else {}
        with self._lock:
            stall = self._found(frames, late) if frames and time.monotonic() - self._beat_at >= late else None
            del frames
            self._beat()
            users = list(self._users)
            if stall is not None:
                self._stalls.append((time.monotonic(), stall))
        if stall is not None:
            for _, told in users:
                told(stall)

    def _beat(self) -> None:
        """Nobody holds the interpreter now."""
        self._times = _Times.now()
        self._beat_at = time.monotonic()

    def _found(self, frames: dict[int, FrameType], late: float) -> Stall | None:
        """Who held the interpreter since the last beat; None when nobody did."""
        now = _Times.now()
        took = now.taken_since(self._times)
        busiest = max(took, key=took.__getitem__, default=None)
        if busiest is None or took[busiest] < max(_BUSY_SECONDS, sum(took.values()) * _BUSY_SHARE):
            return None
        stall = Stall(datetime.now(UTC), late, busiest, now.names[busiest])
        # This thread is the one itself when it came to the end of its run before anybody looked.
        return self._placed(stall, frames[busiest]) if busiest in frames else stall

    def _placed(self, stall: Stall, frame: FrameType) -> Stall:
        frames = [
            (*(self._place(each.f_code.co_filename) or (each.f_code.co_filename, "")), line, each.f_code.co_name)
            for each, line in stack(frame)
        ]
        path, revision, line, function = next((each for each in frames if each[1]), frames[0])
        shown = [
            f'  File "{path}"{f" ({revision})" if revision else ""}, line {line}, in {function}\n'
            for path, revision, line, function in reversed(frames[:_SHOWN_FRAMES])
        ]
        return Stall(stall.at, stall.seconds, stall.thread, stall.name, path, line, function, revision, "".join(shown))

    def _place(self, file: str) -> tuple[str, str] | None:
        return next((place for locate, _ in self._users if (place := locate(file)) is not None), None)


watchdog: Final = Watchdog()
"""The one of this process."""


def _taken(native_id: int) -> float:
    """Seconds of processor time of a thread. Raises OSError where the kernel does not tell."""
    descriptor = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(descriptor, 64).split()[0]) / 1e9
    finally:
        os.close(descriptor)
