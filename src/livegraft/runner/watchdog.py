"""Notices who holds the interpreter, when for a second no other Python code of the process goes on.

While C code computes without letting go of the interpreter, no Python code can look on. So a thread of the
interpreter's own, which needs no Python to go on, is set to write all stacks into a file in a second
(``faulthandler.dump_traceback_later``); a thread of ours, which does need it, sets it anew every half second. When
that comes late, it finds the stacks as they were in the file, and the holder by the processor time that each thread
took meanwhile. When it never comes again, the file tells the next process (``Watchdog.start``).

There is one of those threads in a process. A host that uses ``faulthandler.dump_traceback_later`` itself has to do
without this one (``watchdog=False``).
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from livegraft import process
from livegraft.runner.failure import Locate

logger = logging.getLogger(__name__)

HELD_SECONDS: Final = 1.0
"""After so long all stacks are written down."""

BEAT_SECONDS: Final = 0.5
MOST_STALLS: Final = 50
"""How many are remembered, the last ones."""

_BUSY_SHARE: Final = 0.25
"""A thread that took less of the time than this did not stall the interpreter: the process itself did not go on,
because it was stopped or the machine had no time for it."""

_MOST_THREADS: Final = 200
_SHOWN_FRAMES: Final = 20
_THREAD: Final = re.compile(r"^(?:Current t|T)hread 0x([0-9a-f]+)")
_FRAME: Final = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


@dataclass(frozen=True, slots=True)
class _Times:
    """How much processor time each thread had taken, in seconds by its ident, and the whole process."""

    names: dict[int, str]
    seconds: dict[int, float]
    total: float

    @classmethod
    def now(cls) -> _Times:
        names, seconds = {}, {}
        for thread in threading.enumerate()[:_MOST_THREADS]:
            if thread.ident is not None and thread.native_id is not None:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    seconds[thread.ident] = _taken(thread.native_id)
                    names[thread.ident] = thread.name
        return cls(names, seconds, time.process_time())

    def taken_since(self, before: _Times, threads: Iterable[int]) -> dict[int, float]:
        """What each of these threads took meanwhile. What no living one took goes to the one that has ended."""
        taken = {thread: each - before.seconds.get(thread, 0.0) for thread, each in self.seconds.items()}
        for ended in set(threads) - taken.keys():
            taken[ended] = self.total - before.total - sum(taken.values())
        return {thread: taken[thread] for thread in threads}


@dataclass(frozen=True, slots=True)
class Stall:
    """That somebody held the interpreter, so that all else stalled; ``seconds`` is None when the process ended then.

    ``path`` and ``revision`` are those of the innermost code of a script, empty when it was the host alone. ``stack``
    is that of the thread, innermost call last.
    """

    at: datetime
    seconds: float | None
    thread: int
    name: str
    path: str
    line: int
    function: str
    revision: str
    stack: str

    def __str__(self) -> str:
        how_long = "when the process ended" if self.seconds is None else f"for {self.seconds:.1f} s"
        place = f"{self.path}:{self.line} in {self.function}" + (f" ({self.revision})" if self.revision else "")
        return f"stalled the interpreter {how_long}, at {place}: no other thread of the process could go on"


Listener = Callable[[Stall], None]


class Watchdog:
    """See the module. One for a process, for all supervisors that ask for it; the folder of the first has the file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: list[tuple[Locate, Listener]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: IO[bytes] | None = None
        self._beat_at = 0.0
        self._times = _Times({}, {}, 0.0)
        self._stalls: deque[tuple[float, Stall]] = deque(maxlen=MOST_STALLS)

    def start(self, folder: Path, locate: Locate, told: Listener) -> None:
        """Watch from now on, and tell of every stall, also of the one in which a process before this one ended."""
        with self._lock:
            self._users.append((locate, told))
            folder.mkdir(exist_ok=True, mode=0o700)
            left = [stall for file in folder.iterdir() for stall in self._left(file)]
            if self._thread is None:
                self._file = (folder / process.identity()).open("w+b", buffering=0)
                self._stopping.clear()
                self._beat()
                self._thread = threading.Thread(target=self._watch, name="livegraft-watchdog", daemon=True)
                self._thread.start()
        for stall in left:
            told(stall)

    def stop(self, told: Listener) -> None:
        """For the one who started with that listener. Idempotent."""
        with self._lock:
            self._users = [user for user in self._users if user[1] != told]
            thread, file = self._thread, self._file
            if self._users or thread is None or file is None:
                return
            self._thread = self._file = None
            self._stopping.set()
            faulthandler.cancel_dump_traceback_later()
            Path(file.name).unlink(missing_ok=True)
        thread.join()
        file.close()

    def stalls_since(self, began: float, thread: int) -> list[Stall]:
        """Those that a thread caused after a time on the monotonic clock, one that is not told yet too."""
        if self._thread is None:
            return []
        if time.monotonic() - self._beat_at >= HELD_SECONDS:
            self._look()  # the one who held it comes to its end before the watchdog does
        return [stall for ended, stall in self._stalls if ended > began and stall.thread == thread]

    # -- watching --------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stopping.wait(BEAT_SECONDS):
            try:
                self._look()
            except Exception:
                logger.exception("the watchdog did not look")

    def _look(self) -> None:
        with self._lock:
            if self._file is None:
                return
            late = time.monotonic() - self._beat_at
            stall = self._found(self._file, late) if late >= HELD_SECONDS else None
            self._beat()
            users = list(self._users)
            if stall is not None:
                self._stalls.append((time.monotonic(), stall))
        if stall is not None:
            for _, told in users:
                told(stall)

    def _beat(self) -> None:
        """Nobody holds the interpreter now: have the stacks written if that is not said again in time."""
        assert self._file is not None  # noqa: S101 - there is one from the start to the stop
        self._times = _Times.now()
        self._beat_at = time.monotonic()
        faulthandler.dump_traceback_later(HELD_SECONDS, file=self._file)

    def _found(self, file: IO[bytes], late: float) -> Stall | None:
        """Who held the interpreter since the last beat; None when nobody did."""
        file.seek(0)
        stacks = dict(_stacks(file.read().decode("utf-8", "replace")))
        file.seek(0)
        file.truncate()
        before, now = self._times, _Times.now()
        took = now.taken_since(before, stacks)
        busiest = max(took, key=took.__getitem__, default=None)
        if busiest is None or took[busiest] < late * _BUSY_SHARE:
            return None
        name = now.names.get(busiest) or before.names.get(busiest, "")
        return self._told(stacks[busiest], busiest, name, late)

    def _left(self, file: Path) -> Iterator[Stall]:
        """What is in the file of a process that is gone."""
        if process.is_alive(file.name):
            return
        with contextlib.suppress(OSError):
            at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            stacks = dict(_stacks(file.read_text(encoding="utf-8", errors="replace")))
            file.unlink()
            # No telling any more which thread it was: scripts are more likely than the rest.
            told = [self._told(stack, thread, "", None) for thread, stack in stacks.items()]
            told.sort(key=lambda stall: not stall.revision)
            yield from (replace(stall, at=at) for stall in told[:1])

    def _told(self, stack: list[tuple[str, int, str]], thread: int, name: str, seconds: float | None) -> Stall:
        frames = [(*(self._place(file) or (file, "")), line, function) for file, line, function in stack]
        path, revision, line, function = next((frame for frame in frames if frame[1]), frames[0])
        shown = [
            f'  File "{path}"{f" ({revision})" if revision else ""}, line {line}, in {function}\n'
            for path, revision, line, function in reversed(frames[:_SHOWN_FRAMES])
        ]
        return Stall(datetime.now(UTC), seconds, thread, name, path, line, function, revision, "".join(shown))

    def _place(self, file: str) -> tuple[str, str] | None:
        return next((place for locate, _ in self._users if (place := locate(file)) is not None), None)


watchdog: Final = Watchdog()
"""The one of this process."""


def _stacks(text: str) -> Iterator[tuple[int, list[tuple[str, int, str]]]]:
    """What ``faulthandler`` wrote, by thread: (file, line, function), innermost first."""
    for part in re.split(r"^(?=Thread |Current thread )", text, flags=re.MULTILINE):
        head, *lines = part.splitlines() or [""]
        thread = _THREAD.match(head)
        stack = [(frame[1], int(frame[2]), frame[3]) for line in lines if (frame := _FRAME.match(line))]
        if thread is not None and stack:
            yield int(thread[1], 16), stack


def _taken(native_id: int) -> float:
    """Seconds of processor time of a thread. Raises OSError where the kernel does not tell."""
    descriptor = os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(descriptor, 64).split()[0]) / 1e9
    finally:
        os.close(descriptor)
