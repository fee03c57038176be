"""Which revision each key was loaded from, remembered on disk for longer than any version lives."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_KEPT: Final = 20_000
"""How many keys are remembered, newest last."""


class Origins:
    """Keys and the revisions in which they were found, in a text file: one line ``KEY REVISION`` each.

    Lines are added at the end in one write each, so several processes may share the file; a line that was cut
    by a kill is left out. Tracebacks and pickles of versions that are gone find their commit by it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._revisions: OrderedDict[str, str] | None = None
        self._size = 0
        self._descriptor: int | None = None

    def get(self, key: str) -> str | None:
        """The revision, also when another process has written it meanwhile."""
        with self._lock:
            known = self._known()
            if key not in known:
                self._read(known)
            return known.get(key)

    def add(self, key: str, revision: str) -> None:
        """Remember a revision that has the key; the first one stays."""
        with self._lock:
            known = self._known()
            if key in known:
                return
            known[key] = revision
            if len(known) > _KEPT:
                known.popitem(last=False)
            line = f"{key} {revision}\n".encode("ascii")
            if self._descriptor is not None and os.fstat(self._descriptor).st_nlink:
                os.write(self._descriptor, line)
                return
            descriptor = self._open()
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Many are about to be added: the file is opened once."""
        descriptor = self._open()
        with self._lock:
            self._descriptor = descriptor
        try:
            yield
        finally:
            with self._lock:
                self._descriptor = None
            os.close(descriptor)

    def _open(self) -> int:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _known(self) -> OrderedDict[str, str]:
        if self._revisions is None:
            self._revisions = OrderedDict()
            if self._read(self._revisions) > 2 * _KEPT:
                self._shorten(self._revisions)
        return self._revisions

    def _read(self, known: OrderedDict[str, str]) -> int:
        """Take over what the file has beyond what was read before; how many lines that were."""
        try:
            with self._file.open("rb") as opened:
                if os.fstat(opened.fileno()).st_size < self._size:  # another process has shortened it
                    self._size = 0
                opened.seek(self._size)
                data = opened.read()
        except FileNotFoundError:
            return 0
        whole = data[: data.rfind(b"\n") + 1]
        self._size += len(whole)
        lines = whole.decode("ascii", "replace").splitlines()
        for line in lines:
            key, _, revision = line.partition(" ")
            if key and revision:
                known[key] = revision
        while len(known) > _KEPT:
            known.popitem(last=False)
        return len(lines)

    def _shorten(self, known: OrderedDict[str, str]) -> None:
        """Write the newest anew. What another process adds in that moment is lost: only its name in a traceback."""
        coming = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        coming.write_text("".join(f"{key} {revision}\n" for key, revision in known.items()), encoding="ascii")
        coming.replace(self._file)
        self._size = self._file.stat().st_size
