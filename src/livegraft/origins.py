"""Which revision each key was loaded from, remembered on disk for longer than any version lives."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_KEPT: Final = 20_000
"""How many lines stay, the newest, when the file has twice as many."""

_LINE_BYTES: Final = 62
"""Of a line with a key of 20 and a revision of 40 hex digits."""

_SEARCHES: Final = 20
"""So often a file is searched before its keys are made a set, which costs as much as so many searches."""


class Origins:
    """Keys and the revisions in which they were found, in a text file: one line ``KEY REVISION`` each.

    Lines are added at the end in one write each, so several processes may share the file; a line that was cut
    by a kill is left out. Tracebacks and pickles of versions that are gone find their commit by it. Nothing of it stays
    in memory: that would grow with every version.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._adding: _Adding | None = None

    def get(self, key: str) -> str | None:
        """The revision, also when another process has written it."""
        return _found(self._read(), key)

    def add(self, key: str, revision: str) -> None:
        """Remember a revision that has the key; the first one stays."""
        with self._lock:
            if self._adding is not None and self._adding.add(key, revision):
                return
            with self._opened() as adding:
                adding.add(key, revision)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Many are about to be added: the file is opened and read once."""
        with self._opened() as adding:
            self._adding = adding
            try:
                yield
            finally:
                with self._lock:
                    self._adding = None

    @contextmanager
    def _opened(self) -> Iterator[_Adding]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        data = self._read()
        if len(data) > 2 * _KEPT * _LINE_BYTES:
            data = self._shorten(data)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _Adding(descriptor, data)
        finally:
            os.close(descriptor)

    def _read(self) -> bytes:
        """The whole lines of the file."""
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return b""
        return data[: data.rfind(b"\n") + 1]

    def _shorten(self, data: bytes) -> bytes:
        """Write the newest anew. What another process adds in that moment is lost: only its name in a traceback."""
        newest = b"".join(data.splitlines(keepends=True)[-_KEPT:])
        coming = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        coming.write_bytes(newest)
        coming.replace(self._file)
        return newest


class _Adding:
    """The file while lines are added: what it had at first, and what came since."""

    def __init__(self, descriptor: int, data: bytes) -> None:
        self._descriptor = descriptor
        self._data = data
        self._search_count = 0
        self._keys: set[str] = set()

    def add(self, key: str, revision: str) -> bool:
        """Add a line for a key that is new. False if others do not find this file any more: shortened, or removed."""
        if self._knows(key):
            return True
        if not os.fstat(self._descriptor).st_nlink:
            return False
        self._keys.add(key)
        os.write(self._descriptor, f"{key} {revision}\n".encode("ascii"))
        return True

    def _knows(self, key: str) -> bool:
        if key in self._keys:
            return True
        self._search_count += 1
        if self._search_count == _SEARCHES:
            self._keys.update(line.partition(" ")[0] for line in self._data.decode("ascii", "replace").splitlines())
            return key in self._keys
        return self._search_count < _SEARCHES and _found(self._data, key) is not None


def _found(data: bytes, key: str) -> str | None:
    """The revision of the first line of a key."""
    start = f"{key} ".encode()
    at = 0 if data.startswith(start) else data.find(b"\n" + start) + 1
    if not data.startswith(start, at):
        return None
    end = data.find(b"\n", at)
    return data[at + len(start) : end].decode("ascii", "replace") or None
