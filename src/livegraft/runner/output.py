"""The output of one run: in order, bounded, readable by anyone while it grows.

Every byte that a run writes has an offset, from 0 for its first. The first ``head_bytes`` and
about the last ``tail_bytes`` are kept. What was between them is lost, and a marker that says how
much stands in the last bytes of the loss: so an offset means the same while the run goes and in
the store, and whoever reads on from an offset gets no byte twice.
"""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

PIECE: Final = 1 << 16
"""Characters or bytes that are taken at once, so that one huge write needs little memory beside it."""

SLACK: Final = 1 << 18
"""Bytes that the tail may be too long before it is cut."""

BLOCK: Final = 64
"""The loss grows in steps of this many bytes: more than the longest marker, which must fit in."""

LOOK_SECONDS: Final = 0.1
"""How often a follower looks for news. It looks, instead of being woken, so that it costs the writer nothing."""

KEEP_ALIVE_SECONDS: Final = 1.0


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


class RunOutput:
    """The output of a run of this process, written from any thread."""

    def __init__(self, limits: Limits = KEPT) -> None:
        self._limits = limits
        # The writer may be interrupted between any two steps (livegraft.runner.interrupt), and a finalizer that
        # prints may write inside a write: so each change of the two stores is one step, and the lock re-enters.
        self._lock = threading.RLock()
        self._head = bytearray()
        self._tail: tuple[int, bytearray] = (limits.head_bytes, bytearray())
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._closed = threading.Event()
        self._saved = 0

    @property
    def end(self) -> int:
        """The offset after the last byte: how much the run wrote."""
        tail_offset, tail = self._tail
        return tail_offset + len(tail) if tail else len(self._head)

    def write(self, data: str | bytes) -> None:
        """Take text, or bytes that should be UTF-8; what is neither is replaced."""
        with self._lock:
            for piece in self._pieces(data):
                self._append(piece)

    def close(self) -> None:
        """No more will be written; followers end when they have read all."""
        with self._lock:
            self._append(self._decoder.decode(b"", final=True).encode())
            self._closed.set()

    def read(self, offset: int, limit: int = PIECE) -> OutputChunk:
        """What is kept from ``offset`` on, at most ``limit`` bytes; empty when there is no more yet."""
        with self._lock:
            tail_offset, tail = self._tail
            lost_from, lost_to = self._limits.loss(self.end)
            if offset < len(self._head):
                data = bytes(self._head[offset : offset + limit])
            elif lost_from < lost_to and offset < lost_to:
                marker = _marker(lost_to - lost_from)
                marked_from = lost_to - len(marker)
                offset = max(offset, marked_from)
                data = (marker[offset - marked_from :] + tail[lost_to - tail_offset :][:limit])[:limit]
            else:
                data = bytes(tail[offset - tail_offset : offset - tail_offset + limit])
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

    def unsaved(self, *, whole: bool = False) -> list[tuple[int, bytes]]:
        """What the store lacks of the head, as (offset, bytes); with ``whole`` the tail too, for once at the end."""
        with self._lock:
            chunks = [(self._saved, bytes(self._head[self._saved :]))]
            tail_offset, tail = self._tail
            if whole:
                lost_from, lost_to = self._limits.loss(self.end)
                marker = _marker(lost_to - lost_from) if lost_to > lost_from else b""
                chunks.append((lost_to - len(marker), marker + bytes(tail[lost_to - tail_offset :])))
            return [(offset, data) for offset, data in chunks if data]

    def mark_saved(self, chunks: list[tuple[int, bytes]]) -> None:
        """The store has these now."""
        self._saved = max([self._saved, *(min(offset + len(data), len(self._head)) for offset, data in chunks)])

    def _pieces(self, data: str | bytes) -> Iterator[bytes]:
        if isinstance(data, str):
            for start in range(0, len(data), PIECE):
                yield data[start : start + PIECE].encode("utf-8", "replace")
        else:
            view = memoryview(data).cast("B")
            for start in range(0, len(view), PIECE):
                yield self._decoder.decode(bytes(view[start : start + PIECE])).encode()

    def _append(self, piece: bytes) -> None:
        room = self._limits.head_bytes - len(self._head)
        if room > 0:
            self._head.extend(piece[:room])
            piece = piece[room:]
        tail_offset, tail = self._tail
        tail.extend(piece)
        excess = len(tail) - self._limits.tail_bytes
        if excess > SLACK:
            self._tail = (tail_offset + excess, tail[excess:])


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
