"""Thousands of objects at once, from a git that is told all names before it begins and ends after the last one."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Final

from livegraft.mirror.command import NOTICE_CLOSE_SECONDS, Git, stop

CHUNK: Final = 256 * 1024
_LINE_BYTES: Final = 1024


class Bulk:
    """Reads many blobs of one repository, each named by its full id. From any thread.

    A git that answers question after question writes each answer alone, and its reader wakes for each; told all at
    once it fills its pipe. It is ended when it is silent for ``deadline_seconds``. What it does not tell is None:
    whoever asks for that alone hears why.
    """

    def __init__(self, git: Git, *, deadline_seconds: float) -> None:
        self._git = git
        self._deadline_seconds = deadline_seconds

    def sizes(self, blobs: Sequence[str]) -> Iterator[int | None]:
        """The bytes of each blob, in order."""
        with _Answers(self._git, "--batch-check", blobs, self._deadline_seconds) as answers:
            for _ in blobs:
                kind, size = answers.fact()
                yield size if kind == b"blob" else None

    def contents(self, blobs: Sequence[str], most_bytes: int) -> Generator[bytes | None, None, None]:
        """The content of each blob that has at most so many bytes, in order; nothing after one that has more."""
        with _Answers(self._git, "--batch", blobs, self._deadline_seconds) as answers:
            for _ in blobs:
                kind, size = answers.fact()
                if kind == b"blob" and size <= most_bytes:
                    yield answers.content(size)
                else:
                    if kind:
                        answers.end()  # what follows is its content
                    yield None


class _Answers:
    """What one git says, from its first answer to its last."""

    def __init__(self, git: Git, mode: str, names: Sequence[str], deadline_seconds: float) -> None:
        self._git = git
        self._command = ("cat-file", "--buffer", f"{mode}=%(objecttype) %(objectsize)")
        self._names = names
        self._deadline_seconds = deadline_seconds
        self._unread = bytearray()
        self._poller = select.poll()
        self._is_over = False
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Answers:
        try:
            # In a file: a pipe has room for some, and git would wait for its reader, who waits for git.
            with tempfile.TemporaryFile() as names:
                names.write("".join(f"{name}\n" for name in self._names).encode())
                names.seek(0)
                self._process = self._git.start(*self._command, stdin=names.fileno())
        except OSError:  # no room for the file, or for a process
            self.end()
            return self
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._output = self._process.stdout.fileno()
        self._poller.register(self._output, select.POLLIN)
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            stop(self._process)

    def fact(self) -> tuple[bytes, int]:
        """Kind and bytes of the next object; no kind for one that is missing."""
        kind, _, size = self._line().partition(b" ")
        return (kind, int(size)) if size.isdigit() else (b"", 0)

    def content(self, size: int) -> bytes | None:
        """That of the object whose fact was told last."""
        content = self._take(size + 1)
        if not content.endswith(b"\n"):
            self.end()
            return None
        return content[:-1]

    def end(self) -> None:
        """Hear no more."""
        self._is_over = True
        self._unread.clear()

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > _LINE_BYTES or not self._fill():
                self.end()
                return b""
        return self._take(end + 1)[:-1]

    def _take(self, count: int) -> bytes:
        """So many bytes; none at all when there are not so many."""
        while len(self._unread) < count:
            if not self._fill():
                return b""
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    def _fill(self) -> bool:
        """Wait for more; False when there will be none."""
        until = time.monotonic() + self._deadline_seconds
        while not (self._is_over or self._git.closed) and (left := until - time.monotonic()) > 0:
            if self._poller.poll(min(left, NOTICE_CLOSE_SECONDS) * 1000):
                data = os.read(self._output, CHUNK)
                self._unread += data
                self._is_over = not data
                return bool(data)
        self._is_over = True
        return False
