"""What reading a file found out, its code object with it, kept on disk by blob: a warm start compiles nothing.

The folder holds packs: files of many entries that are written beside, renamed into their place and never changed.
So any number of processes may use it, and one that is killed while it writes leaves nothing that is read. Each entry
has a checksum; whatever is cut, changed or of another Python or livegraft is as if it were not there.
"""

from __future__ import annotations

import os
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType
from typing import BinaryIO, Final

from livegraft.packed import python, unpack, unpack_code
from livegraft.source import Source

FORMAT: Final = 3
"""Counts up when what is kept changes within one version of livegraft."""

MOST_PACKS: Final = 16
"""So many packs become one, without the entries that no file of the plan has any more."""

FORGOTTEN_AFTER_SECONDS: Final = 30 * 24 * 3600
"""How long the packs of another Python or livegraft are left alone."""

_HEAD: Final = struct.Struct("<HII")
"""Of an entry: the bytes of its blob id, the bytes of its content, the checksum of both."""

_Entry = tuple[int, int, int, int]
"""The number of a pack, where the content of an entry begins and ends in it, and its checksum. There are thousands: a
plain tuple of numbers is nothing that the collector goes through."""


class CodeCache:
    """The packs in one folder, for one Python and one livegraft. May be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._folder = folder / _environment()
        self._lock = threading.Lock()
        self._packs: list[_Pack] | None = None
        self._entries: dict[str, _Entry] = {}
        self._new: dict[str, bytes] = {}

    def get(self, path: str, blob: str, read: Callable[[str], bytes]) -> Source | None:
        """A file as ``read_source`` found it once; None if it is not here. ``read`` gives its content when needed."""
        packed = self._packed(blob)
        return unpack(packed, path, read=read, blob=blob) if packed is not None else None

    def code(self, blob: str) -> CodeType | None:
        """The code object of a file that was read before, a new one each time; None if it is not here."""
        packed = self._packed(blob)
        return unpack_code(packed) if packed is not None else None

    def add(self, blob: str, packed: bytes) -> None:
        """Keep what was read, packed, at the next ``save``."""
        self._new[blob] = packed

    def save(self, used: Collection[str]) -> None:
        """Write what is new as one pack; ``used`` are the blobs that stay when packs are joined. Raises OSError.

        What is in memory of other packs was for the start, and is let go of: from now on they are read piece by piece.
        """
        new, self._new = self._new, {}
        if new:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            there = list(self._folder.glob("*.pack"))
            is_joined = len(there) >= MOST_PACKS
            if is_joined:
                new = {**_contents(_opened(there), used), **new}
            written = _Pack(self._write(new))
            with self._lock:
                if is_joined:
                    self._packs, self._entries = [], {}
                self._know(written)
            if is_joined:
                for joined in there:
                    joined.unlink(missing_ok=True)
                self._sweep()
        with self._lock:
            for pack in self._packs or ():
                pack.let_go()

    def _packed(self, blob: str) -> bytes | memoryview | None:
        """What was found in a file; None if it is not here, or is not as it was written."""
        with self._lock:
            if self._packs is None:
                self._packs = []
                for pack in _opened(self._folder.glob("*.pack")):
                    self._know(pack)
            entry = self._entries.get(blob)
            if entry is None:
                return self._new.get(blob)
            number, start, end, checksum = entry
            try:
                content = self._packs[number].part(start, end)
            except OSError:
                return None
        return content if zlib.crc32(content, zlib.crc32(blob.encode("ascii"))) == checksum else None

    def _know(self, pack: _Pack) -> None:
        """Find the entries of a pack from now on; called with the lock."""
        if self._packs is None:
            self._packs = []
        number = len(self._packs)
        self._packs.append(pack)
        self._entries.update((blob, (number, *place)) for blob, place in pack.entries())

    def _write(self, entries: Mapping[str, bytes]) -> Path:
        name = f"{time.time_ns():x}-{os.getpid()}-{threading.get_ident():x}"
        coming = self._folder / f"{name}.coming"
        with coming.open("wb") as opened:
            for blob, content in entries.items():
                id = blob.encode("ascii")
                opened.write(_HEAD.pack(len(id), len(content), zlib.crc32(content, zlib.crc32(id))) + id + content)
        return coming.replace(self._folder / f"{name}.pack")

    def _sweep(self) -> None:
        """Remove what killed processes left, and packs of a Python or livegraft that nobody started for long."""
        before = time.time() - FORGOTTEN_AFTER_SECONDS
        for coming in self._folder.glob("*.coming"):
            if coming.stat().st_mtime < time.time() - 3600:
                coming.unlink(missing_ok=True)
        for folder in self._root.iterdir():
            if folder != self._folder and folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


class _Pack:
    """A pack, in memory at first. Raises OSError when it is not there (any more): another process joins packs, too."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._data: bytes | None = file.read_bytes()
        self._opened: BinaryIO | None = None

    def part(self, start: int, end: int) -> bytes | memoryview:
        if self._data is not None:
            return memoryview(self._data)[start:end]
        if self._opened is None:
            self._opened = self._file.open("rb")
        return os.pread(self._opened.fileno(), end - start, start)

    def let_go(self) -> None:
        """Have it on the disk alone, and open no more than while it is read."""
        self._data = None
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    __del__ = let_go

    def entries(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Begin, end and checksum by blob, up to where the pack is cut or makes no sense. Before ``let_go``."""
        data, at = self._data or b"", 0
        while at + _HEAD.size <= len(data):
            id_bytes, content_bytes, checksum = _HEAD.unpack_from(data, at)
            start = at + _HEAD.size + id_bytes
            at = start + content_bytes
            if at > len(data):
                return
            try:
                blob = str(data[start - id_bytes : start], "ascii")
            except UnicodeDecodeError:
                return
            yield blob, (start, at, checksum)


def _opened(files: Iterable[Path]) -> Iterator[_Pack]:
    for file in files:
        with suppress(OSError):
            yield _Pack(file)


def _contents(packs: Iterable[_Pack], used: Collection[str]) -> dict[str, bytes]:
    """What packs have of some blobs."""
    wanted = set(used)
    return {
        blob: bytes(pack.part(start, end))
        for pack in packs
        for blob, (start, end, _) in pack.entries()
        if blob in wanted
    }


def _environment() -> str:
    """Whose code objects these are: a folder name that is another one for every Python, its flags and livegraft."""
    try:
        ours = version("livegraft")
    except PackageNotFoundError:
        ours = "unknown"
    return f"{python()}-{ours}-{FORMAT}"
