"""Notices who held the interpreter, when for a second no other Python code of the process went on.

While C code computes, or waits, without letting go of the interpreter, no Python code can look on. So a process of its
own does (``onlooker``): a thread here gives it a sign of life each half second, and is told what was seen when it
comes late. A run that comes to its end asks at once. A stall that never ends is told by the next process that starts
on the same folder (``left``). ADR 20 has the reasons.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from livegraft import process
from livegraft.runner.failure import Locate

logger = logging.getLogger(__name__)

HELD_SECONDS: Final = 1.0
BEAT_SECONDS: Final = 0.5
MOST_STALLS: Final = 50
"""How many are remembered, the last ones."""

_SHOWN_FRAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Stall:
    """That somebody held the interpreter, so that all else stalled, for so many seconds.

    ``thread`` is the id that the system gave the thread. ``path``, ``line``, ``function`` and ``revision`` are those of
    the innermost code of a script, or of the host if there is none, ``stack`` the calls that led there, innermost
    last; where they could not be seen ``stack`` says why. ``was_last``: it went on until its process ended.
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
    was_last: bool = False

    def __str__(self) -> str:
        place = f", at {self.path}:{self.line} in {self.function}" if self.path else ""
        revision = f" ({self.revision})" if self.revision else ""
        end = ", until its process ended" if self.was_last else ""
        return (
            f"stalled the interpreter for {self.seconds:.1f} s{end}{place}{revision}: "
            "no other thread of the process could go on"
        )


class Onlooker(Protocol):
    """Port: the process that looks on from outside. Methods raise OSError or ValueError when it does not work."""

    def beat(self, thread: int, files: Sequence[str]) -> dict[str, Any] | None:
        """A sign of life of a thread, by the system's id; the stall that was over with it, if there was one.

        It has the fields ``at``, ``seconds``, ``thread``, ``name``, ``frames`` (file, line, function, innermost first)
        and ``problem``. One that is not over stands in the files.
        """

    def close(self) -> None: ...


Listener = Callable[[Stall], None]


class Watchdog:
    """See the module. One for a process, for all supervisors that ask for it.

    When the process that looks on has failed, the next is started ``retry_seconds`` later.
    """

    def __init__(self, *, retry_seconds: float = 60.0) -> None:
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._users: list[tuple[Locate, Listener, Path]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._begin: Callable[[float], Onlooker] | None = None
        self._onlooker: Onlooker | None = None
        self._is_answered = False
        self._retry_at = 0.0
        self._beat_at = 0.0
        self._stalls: deque[tuple[float, Stall]] = deque(maxlen=MOST_STALLS)

    def start(self, locate: Locate, told: Listener, *, folder: Path, begin: Callable[[float], Onlooker]) -> None:
        """Watch from now on, and tell of every stall; one that does not end stands in the folder.

        ``begin`` starts the process that looks on, given the seconds of silence that are a stall; not before the
        first beat, so that a supervisor that is stopped at once costs no process.
        """
        with self._lock:
            self._users.append((locate, told, folder))
            if self._thread is None:
                self._stopping.clear()
                self._begin, self._retry_at = begin, 0.0
                self._beat_at = time.monotonic()
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
        with self._lock:
            self._end_onlooker()

    @property
    def is_watching(self) -> bool:
        """Whether a process looks on by now: it has answered, so what stalls from here on is seen."""
        return self._is_answered

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
        with self._lock:
            seen = self._beat()
            self._beat_at = time.monotonic()
            users = list(self._users)
            stall = None
            if seen is not None:
                names = {thread.native_id: thread.name for thread in threading.enumerate()}
                stall = _stall(seen, [locate for locate, _, _ in users], names)
                self._stalls.append((time.monotonic(), stall))
        if stall is not None:
            for _, told, _ in users:
                told(stall)

    def _beat(self) -> dict[str, Any] | None:
        """A sign of life; what the onlooker saw since the one before."""
        files = [str(folder / process.identity()) for _, _, folder in self._users]
        try:
            if self._onlooker is None and self._begin is not None and time.monotonic() >= self._retry_at:
                self._retry_at = time.monotonic() + self._retry_seconds
                self._onlooker = self._begin(HELD_SECONDS)
            beating = self._thread.native_id if self._thread is not None else None
            if self._onlooker is None:
                return None
            seen = self._onlooker.beat(beating or 0, files)
            self._is_answered = True
            return seen
        except (OSError, ValueError) as error:
            logger.warning("until the next try nobody sees who stalls the interpreter: %s", error)
            self._end_onlooker()
            return None

    def _end_onlooker(self) -> None:
        ended, self._onlooker, self._is_answered = self._onlooker, None, False
        if ended is not None:
            ended.close()


watchdog: Final = Watchdog()
"""The one of this process."""


def left(folder: Path, locate: Locate) -> Iterator[Stall]:
    """The stalls in which processes ended that had this folder; each is told once, whoever asks."""
    for file in sorted(folder.glob("[!.]*")) if folder.is_dir() else ():
        if process.is_alive(file.name):
            continue
        try:
            seen = json.loads(file.read_bytes())
            file.unlink()
        except (OSError, ValueError):  # another process took it
            continue
        yield replace(_stall(seen, [locate], {}), was_last=True)


def _stall(seen: dict[str, Any], locates: list[Locate], names: Mapping[int | None, str]) -> Stall:
    """What the onlooker saw, with the repository's paths instead of those of files."""
    frames = [
        (*next((place for locate in locates if (place := locate(file))), (file, "")), line, function)
        for file, line, function in seen["frames"]
    ]
    stall = Stall(
        at=datetime.fromisoformat(seen["at"]),
        seconds=seen["seconds"],
        thread=seen["thread"],
        name=seen["name"] or names.get(seen["thread"], ""),
        stack=seen["problem"],
    )
    if not frames:
        return stall
    scripts = [number for number, (_, revision, _, _) in enumerate(frames) if revision]
    path, revision, line, function = frames[scripts[0] if scripts else 0]
    # What called the outermost script is livegraft's own.
    shown = [
        f'  File "{path}"{f" ({revision})" if revision else ""}, line {line}, in {function}\n'
        for path, revision, line, function in reversed(frames[: scripts[-1] + 1 if scripts else None][:_SHOWN_FRAMES])
    ]
    return replace(stall, path=path, line=line, function=function, revision=revision, stack="".join(shown))
