"""What a process is in the middle of, in a file that outlives it: whoever starts after a crash knows whom to ask.

The file is mapped into memory: a mark costs microseconds and no system call, and what was written is there whatever
ended the process. It is removed when the process stops; one that is left tells of a crash.
"""

from __future__ import annotations

import atexit
import fcntl
import itertools
import logging
import mmap
import os
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from livegraft import process

logger = logging.getLogger(__name__)

_PLACES: Final = 1_100
"""More than the runs that execute at once in a process, and the imports on their way."""

_PLACE_BYTES: Final = 512
_FREE: Final = 0
_LOADING: Final = ord("L")
_RUNNING: Final = ord("R")
_SWITCH: Final = ord("S")


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A version of a module, by its path without ``.py``, whose code was being executed.

    ``where`` is the id of the run, or of the thread that imported it.
    """

    name: str
    key: str
    revision: str
    where: str


@dataclass(frozen=True, slots=True)
class Crash:
    """A process that ended without being stopped. ``revision`` is what it had switched to shortly before, or "".

    ``loading`` are the versions that were being imported, the innermost of each thread; ``running`` those of runs. Both
    in the order in which they began.
    """

    process: str
    revision: str = ""
    loading: tuple[UnderWay, ...] = ()
    running: tuple[UnderWay, ...] = ()


class CrashMarker:
    """The marks of one process. One that is not open marks nothing."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._file: Path | None = None
        self._opened: BinaryIO | None = None
        self._pid = 0
        self._free: deque[int] = deque()
        self._numbers = itertools.count()

    def open(self, folder: Path) -> None:
        """Begin to mark, in a file of the folder. Where it cannot be written, nothing is marked."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = folder / f"{process.identity()}:{id(self):x}"
            # Zeros and not a hole: writing to a mapped page without a block, on a full disk, ends the process.
            file.write_bytes(bytes((_PLACES + 1) * _PLACE_BYTES))
            # It is locked while this process lives: that shows in other containers too, where its pid means nothing.
            self._opened = file.open("r+b")
            fcntl.lockf(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._map = mmap.mmap(self._opened.fileno(), 0)
        except OSError as error:
            logger.warning("should this process die, the next one will not know of what: %s", error)
            return
        self._file, self._pid = file, os.getpid()
        self._free = deque(range(_PLACE_BYTES, (_PLACES + 1) * _PLACE_BYTES, _PLACE_BYTES))
        atexit.register(self.close)

    def close(self) -> None:
        """The process is stopped and does not die. Idempotent; in a fork of the process it does nothing."""
        atexit.unregister(self.close)
        if self._file is not None and self._pid == os.getpid():
            self._map = None  # not closed: a thread may be about to write
            try:
                self._file.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("the next process may take the end of this one for a crash: %s", error)
            self._file = None
            if self._opened is not None:
                self._opened.close()

    def switched(self, revision: str) -> None:
        """The process is about to switch, or has switched, to a revision; "" when that has proved itself."""
        if self._map is not None:
            self._write(self._map, 0, _SWITCH if revision else _FREE, revision.encode())

    def loading(self, name: str, key: str, revision: str) -> int:
        """A version is imported on this thread; the place to free when that is done."""
        return self._mark(_LOADING, name, key, revision, str(threading.get_ident()))

    def running(self, name: str, key: str, revision: str, run: str) -> int:
        """A run of a version began; the place to free when it ended."""
        return self._mark(_RUNNING, name, key, revision, run)

    def free(self, place: int) -> None:
        """That came to its end."""
        if place and self._map is not None:
            self._map[place] = _FREE
            self._free.append(place)

    def _mark(self, kind: int, name: str, key: str, revision: str, where: str) -> int:
        if self._map is None:
            return 0
        data = f"{next(self._numbers)} {where} {key} {revision} {name}".encode("utf-8", "replace")
        if len(data) > _PLACE_BYTES - 2:
            return 0
        try:
            place = self._free.popleft()
        except IndexError:
            return 0
        self._write(self._map, place, kind, data)
        return place

    @staticmethod
    def _write(file: mmap.mmap, place: int, kind: int, data: bytes) -> None:
        file[place] = _FREE
        file[place + 1 : place + 2 + len(data)] = data + b"\0"
        file[place] = kind  # last: a mark is whole or not there


def take_crashes(folder: Path) -> list[Crash]:
    """The crashes of dead processes that nobody was told of yet; each is told once, whoever asks.

    What another boot of the machine left is dropped: it ended all processes and says nothing about their scripts.
    """
    crashes = []
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        identity = file.name.rpartition(":")[0]
        if process.is_alive(identity):
            continue
        try:
            with file.open("r+b") as opened:
                fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                data = opened.read()
                file.unlink()
        except OSError:  # it lives in another container, or another process took it
            continue
        if process.is_of_this_boot(identity):
            crashes.append(_crash(identity, data))
    return crashes


def _crash(identity: str, data: bytes) -> Crash:
    loading = {each.where: each for each in _marks(data, _LOADING)}  # the last of each thread
    return Crash(
        process=identity,
        revision="".join(_texts(data[:_PLACE_BYTES], _SWITCH)),
        loading=tuple(loading.values()),
        running=tuple(_marks(data, _RUNNING)),
    )


def _marks(data: bytes, kind: int) -> Iterator[UnderWay]:
    """In the order in which they were made."""
    found = [text.split(" ", 4) for text in _texts(data[_PLACE_BYTES:], kind)]
    for _, where, key, revision, name in sorted(found, key=lambda each: int(each[0])):
        yield UnderWay(name, key, revision, where)


def _texts(data: bytes, kind: int) -> Iterator[str]:
    for place in range(0, len(data), _PLACE_BYTES):
        if data[place] == kind:
            yield data[place + 1 : place + _PLACE_BYTES].partition(b"\0")[0].decode("utf-8", "replace")
