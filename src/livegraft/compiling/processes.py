"""The processes that compile, as their host holds them (ADR 34)."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import Final

from livegraft.compiling import child
from livegraft.packed import python, read_packed, unpack
from livegraft.source import Source

logger = logging.getLogger(__name__)

LEAST_FILES: Final = 500
"""Fewer are read sooner than a process has started."""

_MOST_PROCESSES: Final = 4
_FILES_AT_ONCE: Final = 50
_BATCHES_AHEAD: Final = 3
"""For each process, so that none waits for the host, and no more texts are in memory than need be."""

_START_SECONDS: Final = 10.0
_BATCH_SECONDS: Final = 60.0

_File = tuple[str, bytes]
_Answer = Sequence[bytes]


def read_all(files: Iterable[_File], count: int) -> Generator[tuple[Source, bytes | None], None, None]:
    """``read_packed`` for paths and contents, ``count`` of them, in their order; many are read elsewhere.

    A file of which the compiler has something to say, a fault or a warning, is read here: it is said as always. So is
    everything where such processes cannot be had, or one ends.
    """
    processes = min(_MOST_PROCESSES, _processor_count())
    if count < LEAST_FILES or processes < 2:
        for path, data in files:
            yield read_packed(path, data)
        return
    with _Compilers(processes) as compilers:
        for batch, answer in compilers.read(files):
            for (path, data), packed in zip(batch, answer, strict=True):
                yield (unpack(packed, path, data), packed) if packed else read_packed(path, data)


def _processor_count() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Compilers:
    """Some processes, and a thread for each that speaks with it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: SimpleQueue[_Compiler] = SimpleQueue()
        self._all = [_Compiler() for _ in range(count)]
        for each in self._all:
            self._idle.put(each)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="livegraft-compiling")

    def __enter__(self) -> _Compilers:
        return self

    def __exit__(self, *error: object) -> None:
        for each in self._all:
            each.kill()  # a thread that waits for its answer wakes
        self._threads.shutdown(cancel_futures=True)
        for each in self._all:
            each.close()

    def read(self, files: Iterable[_File]) -> Iterator[tuple[Sequence[_File], _Answer]]:
        """Batches of the files in their order, with what was found; an empty piece for what is to be read here."""
        rest = iter(files)
        under_way: deque[tuple[Sequence[_File], Future[_Answer]]] = deque()
        while batch := list(islice(rest, _FILES_AT_ONCE)):
            under_way.append((batch, self._threads.submit(self._ask, batch)))
            if len(under_way) >= self._count * _BATCHES_AHEAD:
                yield _ended(under_way.popleft())
        while under_way:
            yield _ended(under_way.popleft())

    def _ask(self, batch: Sequence[_File]) -> _Answer:
        compiler = self._idle.get()
        try:
            return compiler.ask(batch)
        finally:
            self._idle.put(compiler)


def _ended(under_way: tuple[Sequence[_File], Future[_Answer]]) -> tuple[Sequence[_File], _Answer]:
    batch, asked = under_way
    return batch, asked.result()


class _Compiler:
    """One process; one that does not do its work has nothing to say of any file. For one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._opened = contextlib.ExitStack()
        try:
            self._socket, theirs = socket.socketpair()
            self._opened.callback(self._socket.close)
            with theirs:
                self._process = self._begin(theirs.fileno())
            self._socket.settimeout(_START_SECONDS)
            self._stream = self._socket.makefile("rwb")
        except (OSError, ValueError) as error:
            logger.warning("new files are compiled here, for %r cannot be started: %s", sys.executable, error)
        self._is_of_use = self._process is not None

    @staticmethod
    def _begin(speaks: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable or "", "-I", "-S", *_flags(), child.__file__],
            stdin=speaks,
            stdout=speaks,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def ask(self, batch: Sequence[_File]) -> _Answer:
        if self._is_of_use:
            try:
                return self._asked(batch)
            except OSError as error:
                logger.warning("new files are compiled here, for the process that should do it %s", error)
                self._is_of_use = False
                self.kill()
        return [b""] * len(batch)

    def kill(self) -> None:
        """End it at once; it does not matter in what it is."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Let go of it after it was killed."""
        if self._process is not None:
            with contextlib.suppress(OSError):  # what it was not sent any more is lost
                self._stream.close()
            self._process.wait()
        self._opened.close()

    def _asked(self, batch: Sequence[_File]) -> _Answer:
        if not self._is_ready:
            self._await_ready()
        sent = [_number(len(batch))]
        for path, data in batch:
            for piece in (path.encode(errors="surrogatepass"), data):
                sent += (_number(len(piece)), piece)
        self._stream.write(b"".join(sent))
        self._stream.flush()
        return [self._read(int.from_bytes(self._read(child.NUMBER_BYTES), "little")) for _ in batch]

    def _await_ready(self) -> None:
        said = self._stream.readline().decode(errors="replace").strip()
        if said != python():
            raise BrokenPipeError(f"is no {python()}, it said: {said!r}")
        self._socket.settimeout(_BATCH_SECONDS)
        self._is_ready = True

    def _read(self, count: int) -> bytes:
        found = self._stream.read(count)
        if len(found) < count:
            raise BrokenPipeError("has ended")
        return found


def _number(value: int) -> bytes:
    return value.to_bytes(child.NUMBER_BYTES, "little")


def _flags() -> Iterator[str]:
    """Those of this process that change what is compiled."""
    yield from ["-O"] * sys.flags.optimize
    if "no_debug_ranges" in sys._xoptions or os.environ.get("PYTHONNODEBUGRANGES"):
        yield from ("-X", "no_debug_ranges")
