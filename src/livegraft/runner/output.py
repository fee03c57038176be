"""The output of one run: in order, bounded, readable by anyone while it grows.

Every byte that a run writes has an offset, from 0 for its first. The first ``head_bytes`` and
about the last ``tail_bytes`` are kept. What was between them is lost, and a marker that says how
much stands in the last bytes of the loss: so an offset means the same while the run goes and in
the store, and whoever reads on from an offset gets no byte twice.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import os
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livegraft.runner.marks import Mark, Marks

logger = logging.getLogger(__name__)

PIECE: Final = 1 << 16
"""Characters or bytes that are taken at once, so that one huge write needs little memory beside it."""

RECENT: Final = 1 << 16
"""Bytes of an output that are gathered before they are put aside."""

SLACK: Final = 1 << 19
"""How much longer than the tail its ring is: more than is put aside at once, which overwrites the oldest bytes."""

BLOCK: Final = 64
"""The loss grows in steps of this many bytes: more than the longest marker, which must fit in."""

LOOK_SECONDS: Final = 0.1
"""How often a follower looks for news. It looks, instead of being woken, so that it costs the writer nothing."""

KEEP_ALIVE_SECONDS: Final = 1.0

_HEADER: Final = struct.Struct(">Q")
"""A file of output begins with how much the run had written."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept of a run's output, in bytes."""

    head_bytes: int = 1 << 20
    tail_bytes: int = 1 << 20

    def loss(self, end: int) -> tuple[int, int]:
        """Where the bytes that are not kept of an output of ``end`` bytes begin and end; equal when all are kept."""
        over = max(0, end - self.head_bytes - self.tail_bytes)
        return self.head_bytes, self.head_bytes + -(-over // BLOCK) * BLOCK


KEPT: Final = Limits()


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """A piece of output. Read on from ``next_offset``; ``offset`` is later than asked for after a loss."""

    offset: int
    data: bytes
    next_offset: int


class _Memory:
    """Keeps the bytes of an output in memory: the head, then a ring of the newest. Offsets are those of the output."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._data = bytearray()

    def write(self, offset: int, data: bytes) -> None:
        for start, length in _runs(self._limits, offset, len(data)):
            if len(self._data) < start:
                self._data.extend(bytes(start - len(self._data)))
            self._data[start : start + length] = data[:length]
            data = data[length:]

    def read(self, offset: int, count: int) -> bytes:
        runs = _runs(self._limits, offset, count)
        return b"".join(bytes(self._data[start : start + length]) for start, length in runs)


class _File:
    """The same in a file, which outlives a killed process.

    It is opened for each of the few accesses: a run leaves no descriptor that could be taken for one of its own.
    """

    def __init__(self, limits: Limits, path: Path) -> None:
        self._limits = limits
        self.path = path

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        with _opened(self.path, os.O_RDWR | os.O_CREAT) as file:
            for start, length in _runs(self._limits, offset, len(data)):
                _write_all(file, data[:length], _HEADER.size + start)
                data = data[length:]
            # Last, so that a process that dies before leaves a file that is whole up to its former end.
            _write_all(file, _HEADER.pack(end), 0)

    def read(self, offset: int, count: int) -> bytes:
        with _opened(self.path, os.O_RDONLY) as file:
            runs = _runs(self._limits, offset, count)
            return b"".join(os.pread(file, length, _HEADER.size + start) for start, length in runs)


def _runs(limits: Limits, offset: int, count: int) -> Iterator[tuple[int, int]]:
    """Where bytes of an output are kept, as (place, length): the head as it is, what follows around the ring."""
    ring = limits.tail_bytes + SLACK
    while count > 0:
        if offset < limits.head_bytes:
            place, room = offset, limits.head_bytes - offset
        else:
            turned = (offset - limits.head_bytes) % ring
            place, room = limits.head_bytes + turned, ring - turned
        length = min(room, count)
        yield place, length
        offset, count = offset + length, count - length


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _write_all(file: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(file, view, place)
        view, place = view[count:], place + count


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


class RunOutput:
    """The output of a run of this process, written from any thread.

    ``file`` takes what is more than ``RECENT`` bytes, so that many runs that write much need little memory
    and a killed process leaves it behind (see ``left_behind``); without one, all that is kept is in memory.
    """

    def __init__(self, limits: Limits = KEPT, file: Path | None = None) -> None:
        self._limits = limits
        # The writer may be interrupted between any two steps (livegraft.runner.interrupt), and a finalizer that
        # prints may write inside a write: so each change of what is recent is one step, and the lock re-enters.
        self._lock = threading.RLock()
        self._recent: tuple[int, bytearray] = (0, bytearray())
        self._kept: _Memory | _File = _Memory(limits) if file is None else _File(limits, file)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._marks = Marks()
        self._closed = threading.Event()
        self._saved = 0
        self._listeners: tuple[Callable[[], object], ...] = ()

    @property
    def end(self) -> int:
        """The offset after the last byte: how much the run wrote."""
        offset, recent = self._recent
        return offset + len(recent)

    def write(self, data: str | bytes, level: str = "out") -> None:
        """Take text, or bytes that should be UTF-8; what is neither is replaced."""
        with self._lock:
            self._marks.add(self.end, time.time_ns() // 1_000_000, level)
            for piece in self._pieces(data):
                self._recent[1].extend(piece)
                if len(self._recent[1]) >= RECENT:
                    self._put_aside()
        self.tell()

    def listen(self, told: Callable[[], object]) -> None:
        """Have ``told`` called after each write, by the thread that wrote: it must not wait. Idempotent."""
        with self._lock:
            if told not in self._listeners:
                self._listeners = (*self._listeners, told)

    def unlisten(self, told: Callable[[], object]) -> None:
        """Idempotent."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != told)

    def tell(self) -> None:
        """Tell who listens that there is news of the output, or of its run."""
        for told in self._listeners:
            told()

    def close(self) -> None:
        """No more will be written; followers end when they have read all."""
        with self._lock:
            self._recent[1].extend(self._decoder.decode(b"", final=True).encode())
            self._closed.set()

    def marks(self, start: int, stop: int) -> list[Mark]:
        """When and at which level the bytes between two offsets were written."""
        with self._lock:
            return self._marks.between(start, stop)

    @property
    def all_marks(self) -> bytes:
        """The marks as they are stored."""
        with self._lock:
            return self._marks.to_bytes()

    def keep(self) -> None:
        """Have what a dead process would lose in the file: what the store gets only when the run ends."""
        with self._lock:
            if self.end > self._limits.head_bytes and self._recent[1]:
                self._put_aside()

    def read(self, offset: int, limit: int = PIECE) -> OutputChunk:
        """What is kept from ``offset`` on, at most ``limit`` bytes; empty when there is no more yet."""
        offset = max(0, offset)
        with self._lock:
            lost_from, lost_to = self._limits.loss(self.end)
            if offset < lost_from:
                data = self._bytes(offset, min(offset + limit, lost_from))
            elif offset < lost_to:
                marker = _marker(lost_to - lost_from)
                marked_from = lost_to - len(marker)
                offset = max(offset, marked_from)
                data = (marker[offset - marked_from :] + self._bytes(lost_to, lost_to + limit))[:limit]
            else:
                data = self._bytes(offset, offset + limit)
        return OutputChunk(offset, data, offset + len(data))

    def follow(self, offset: int = 0) -> Iterator[OutputChunk]:
        """Every chunk from ``offset`` on until the run ends; an empty one each second when there is no news."""
        quiet_seconds = 0.0
        while True:
            closed = self._closed.is_set()  # asked before reading, so that nothing written in between is missed
            chunk = self.read(offset)
            if chunk.data or quiet_seconds >= KEEP_ALIVE_SECONDS:
                yield chunk
                offset, quiet_seconds = chunk.next_offset, 0.0
            elif closed:
                return
            else:
                self._closed.wait(LOOK_SECONDS)
                quiet_seconds += LOOK_SECONDS

    def unsaved(self, *, whole: bool = False, limit: int | None = None) -> list[tuple[int, bytes]]:
        """What the store lacks of the head, at most ``limit`` bytes, as (offset, bytes); ``whole`` adds the tail."""
        with self._lock:
            head_end = min(self.end, self._limits.head_bytes)
            until = head_end if limit is None else min(head_end, self._saved + limit)
            chunks = [(self._saved, self._bytes(self._saved, until))]
            if whole:
                chunks.append(_tail(self._limits, self.end, self._bytes))
            return [(offset, data) for offset, data in chunks if data]

    def mark_saved(self, chunks: list[tuple[int, bytes]]) -> None:
        """The store has these now."""
        self._saved = max([self._saved, *(min(offset + len(data), self._limits.head_bytes) for offset, data in chunks)])

    def _pieces(self, data: str | bytes) -> Iterator[bytes]:
        if isinstance(data, str):
            for start in range(0, len(data), PIECE):
                yield data[start : start + PIECE].encode("utf-8", "replace")
        else:
            view = memoryview(data).cast("B")
            for start in range(0, len(view), PIECE):
                yield self._decoder.decode(bytes(view[start : start + PIECE])).encode()

    def _bytes(self, start: int, stop: int) -> bytes:
        offset, recent = self._recent
        older = b""
        if start < min(stop, offset):
            try:
                older = self._kept.read(start, min(stop, offset) - start)
            except OSError as error:
                logger.error("the output of a run cannot be read from its file: %s", error)
            # Offsets hold, whatever became of the file.
            older = older.ljust(min(stop, offset) - start, b"?")
        return older + bytes(recent[max(0, start - offset) : max(0, stop - offset)])

    def _put_aside(self) -> None:
        """Move what is recent to where the older bytes are; to memory, when the file takes no more."""
        offset, recent = self._recent
        data = bytes(recent)
        if isinstance(self._kept, _File) and not offset:
            # Followers may read when the run has ended, so it goes with this object. Not when the process exits:
            # what is not in the store by then is taken from it at the next start.
            weakref.finalize(self, _remove, self._kept.path).atexit = False
        try:
            self._kept.write(offset, data)
        except OSError as error:
            logger.warning("the output of a run is kept in memory, because its file cannot be written: %s", error)
            memory = _Memory(self._limits)
            for start, stop in ((0, min(offset, self._limits.head_bytes)), (self._limits.loss(offset)[1], offset)):
                memory.write(start, self._bytes(start, stop))
            self._kept = memory
            memory.write(offset, data)
        self._recent = (offset + len(data), recent[len(data) :])


def left_behind(file: Path, saved: int, limits: Limits = KEPT) -> tuple[int, list[tuple[int, bytes]]]:
    """What a process that died left of an output in its file: how much the run wrote, and what the store lacks.

    ``saved`` bytes of the head are in the store. Without a usable file that is all there is.
    """
    kept = _File(limits, file)
    try:
        with _opened(file, os.O_RDONLY) as opened:
            (end,) = _HEADER.unpack(os.pread(opened, _HEADER.size, 0))

        def read(start: int, stop: int) -> bytes:
            return kept.read(start, min(stop, end) - start)

        chunks = [(saved, read(saved, limits.head_bytes)), _tail(limits, end, read)]
    except (OSError, struct.error):
        return saved, []
    return max(end, saved), [(offset, data) for offset, data in chunks if data]


def _tail(limits: Limits, end: int, read: Callable[[int, int], bytes]) -> tuple[int, bytes]:
    """What is kept behind the head, with the marker of the loss before it, as (offset, bytes)."""
    lost_from, lost_to = limits.loss(end)
    marker = _marker(lost_to - lost_from) if lost_to > lost_from else b""
    return lost_to - len(marker), marker + (read(lost_to, end) if end > lost_to else b"")


def read_stored(read: Callable[[int, int], bytes], end: int, offset: int, limit: int = PIECE) -> OutputChunk:
    """A piece of output that ended at ``end``, from the store: ``read(offset, limit)`` gives the bytes it has."""
    lost_from, lost_to = KEPT.loss(end)
    if offset < lost_from < lost_to:
        limit = min(limit, lost_from - offset)
    elif lost_from < lost_to:
        offset = max(offset, lost_to - len(_marker(lost_to - lost_from)))
    data = read(offset, limit)
    return OutputChunk(offset, data, offset + len(data))


def _marker(count: int) -> bytes:
    return f"\n… {count} bytes dropped …\n".encode()
