"""One long-lived ``git cat-file`` that answers for object after object."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from livegraft.mirror.command import Git, stop

T = TypeVar("T")

ANSWER = re.compile(rb"([0-9a-f]{40,64}) (blob|tree|commit|tag) (\d{1,18})")
CHUNK = 64 * 1024
AT_ONCE = 256
"""How many questions go out before their answers are read: both fit the buffers of the pipes, so nobody blocks."""

LINE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class ObjectFact:
    """What git says of an object before its content is read. ``size`` is in bytes."""

    id: str
    kind: str
    size: int


class BrokenAnswerError(Exception):
    """git died, fell silent or answered what nobody asked."""


class TooBigError(Exception):
    """The object is bigger than the caller wants to hold."""

    def __init__(self, fact: ObjectFact, most_bytes: int) -> None:
        self.fact = fact
        super().__init__(f"expected at most {most_bytes:,} bytes, got: {fact.size:,}")


class Batch:
    """Asks one ``git cat-file`` process about objects: started when needed, replaced when it died.

    Threads take turns. The process is ended when it is silent for ``deadline_seconds``.
    Objects are named by full id or full reference.
    """

    def __init__(self, git: Git, mode: Literal["--batch", "--batch-check"], *, deadline_seconds: float = 10.0) -> None:
        self._git = git
        self._mode = mode
        self._deadline_seconds = deadline_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._input = self._output = -1
        self._poller = select.poll()
        self._unread = bytearray()
        self._until = 0.0
        self._closed = False

    def facts(self, names: Sequence[str]) -> list[ObjectFact | None]:
        """Kind and size of each object, None for a missing one; for ``--batch-check``. Raises BrokenAnswerError."""
        found: list[ObjectFact | None] = []
        for start in range(0, len(names), AT_ONCE):
            found += self._exchange(names[start : start + AT_ONCE], self._read_facts)
        return found

    def content(self, name: str, most_bytes: int) -> tuple[ObjectFact, bytes] | None:
        """An object whole, None when it is missing; for ``--batch``. Raises TooBigError, BrokenAnswerError."""
        return self._exchange([name], lambda _: self._read_content(most_bytes))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let questions wait; those after the block go to a new process, which sees the folder as it is then."""
        with self._turn:
            self._end()
            yield

    def close(self) -> None:
        """End the process for good, also while another thread waits for its answer. Idempotent."""
        self._closed = True
        if process := self._process:
            process.kill()
        with self.paused():
            pass

    def _exchange(self, names: Sequence[str], read: Callable[[Sequence[str]], T]) -> T:
        with self._turn:
            try:
                return self._ask(names, read)
            except BrokenAnswerError:
                # It may have died long ago, of something else: the second one answers for itself.
                return self._ask(names, read)

    def _ask(self, names: Sequence[str], read: Callable[[Sequence[str]], T]) -> T:
        try:
            self._until = time.monotonic() + self._deadline_seconds
            self._begin()
            os.write(self._input, "".join(f"{name}\n" for name in names).encode())
            return read(names)
        except (OSError, BrokenAnswerError) as error:
            self._end()
            raise BrokenAnswerError(str(error)) from error
        except TooBigError:
            self._end()
            raise

    def _begin(self) -> None:
        if self._closed:
            raise BrokenAnswerError("the mirror is closed")
        if self._process is not None:
            return
        process = self._git.start("cat-file", self._mode)
        if process.stdin is None or process.stdout is None:
            raise BrokenAnswerError("git was started without pipes")
        self._process, self._input, self._output = process, process.stdin.fileno(), process.stdout.fileno()
        self._poller.register(self._output, select.POLLIN)

    def _end(self) -> None:
        self._unread.clear()
        if self._process is not None:
            self._poller.unregister(self._output)
            stop(self._process)
            self._process = None

    def _read_facts(self, names: Sequence[str]) -> list[ObjectFact | None]:
        return [self._read_fact() for _ in names]

    def _read_content(self, most_bytes: int) -> tuple[ObjectFact, bytes] | None:
        fact = self._read_fact()
        if fact is None:
            return None
        if fact.size > most_bytes:
            raise TooBigError(fact, most_bytes)
        data = self._take(fact.size + 1)
        if data[-1:] != b"\n":
            raise BrokenAnswerError(f"expected {fact.size} bytes of {fact.id}, got more")
        return fact, data[:-1]

    def _read_fact(self) -> ObjectFact | None:
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > LINE_BYTES:
                raise BrokenAnswerError("expected one line about an object, got more")
            self._fill()
        line = self._take(end + 1)[:-1]
        if match := ANSWER.fullmatch(line):
            return ObjectFact(match[1].decode(), match[2].decode(), int(match[3]))
        if line.endswith((b" missing", b" ambiguous")):
            return None
        raise BrokenAnswerError(f"expected the fact of an object, got: {line[:80]!r}")

    def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._fill()
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    def _fill(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0 or not self._poller.poll(left * 1000):
            raise BrokenAnswerError(f"git said nothing for {self._deadline_seconds:g} s")
        data = os.read(self._output, CHUNK)
        if not data:
            raise BrokenAnswerError("git ended in the middle of an answer")
        self._unread += data
