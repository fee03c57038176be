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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType
from typing import Final

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

_Entry = tuple[bytes, int, int, int]
"""The bytes of a pack, where the content of an entry begins and ends in them, and its checksum. There are thousands
while a process starts: a plain tuple of these is nothing that the collector goes through."""


class CodeCache:
    """The packs in one folder, for one Python and one livegraft. May be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._folder = folder / _environment()
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] | None = None
        self._new: dict[str, bytes] = {}

    def get(self, path: str, blob: str, read: Callable[[str], bytes]) -> Source | None:
        """A file as ``read_source`` found it once; None if it is not here. ``read`` gives its content when needed."""
        with self._lock:
            found = self._known().get(blob)
        content = _content(found, blob)
        return unpack(content, path, read=read, blob=blob) if content is not None else None

    def codes(self, blobs: Iterable[str]) -> Iterator[CodeType | None]:
        """Code objects of files that were read before, new ones each; None for what is not here."""
        known = self._read_all(self._folder.glob("*.pack"))
        for blob in blobs:
            content = self._new.get(blob) or _content(known.get(blob), blob)
            yield unpack_code(content) if content is not None else None

    def add(self, blob: str, packed: bytes) -> None:
        """Keep what was read, packed, at the next ``save``."""
        self._new[blob] = packed

    def save(self, used: Collection[str]) -> None:
        """Write what is new as one pack; ``used`` are the blobs that stay when packs are joined. Raises OSError.

        What was read from disk is let go of: it was for the start.
        """
        new, self._new = self._new, {}
        with self._lock:
            self._entries = {}
        if not new:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        packs = list(self._folder.glob("*.pack"))
        if len(packs) >= MOST_PACKS:
            known = self._read_all(packs)
            for blob in known.keys() & set(used) - new.keys():
                pack, start, end, _ = known[blob]
                new[blob] = pack[start:end]
        self._write(new)
        if len(packs) >= MOST_PACKS:
            for joined in packs:
                joined.unlink(missing_ok=True)
            self._sweep()

    def _known(self) -> dict[str, _Entry]:
        if self._entries is None:
            self._entries = self._read_all(self._folder.glob("*.pack"))
        return self._entries

    def _read_all(self, packs: Collection[Path] | Iterator[Path]) -> dict[str, _Entry]:
        found: dict[str, _Entry] = {}
        for pack in packs:
            try:
                data = pack.read_bytes()
            except OSError:  # another process has joined it to others
                continue
            found.update(_entries(data))
        return found

    def _write(self, entries: Mapping[str, bytes]) -> None:
        name = f"{time.time_ns():x}-{os.getpid()}-{threading.get_ident():x}"
        coming = self._folder / f"{name}.coming"
        with coming.open("wb") as opened:
            for blob, content in entries.items():
                id = blob.encode("ascii")
                opened.write(_HEAD.pack(len(id), len(content), zlib.crc32(content, zlib.crc32(id))) + id + content)
        coming.replace(self._folder / f"{name}.pack")

    def _sweep(self) -> None:
        """Remove what killed processes left, and packs of a Python or livegraft that nobody started for long."""
        before = time.time() - FORGOTTEN_AFTER_SECONDS
        for coming in self._folder.glob("*.coming"):
            if coming.stat().st_mtime < time.time() - 3600:
                coming.unlink(missing_ok=True)
        for folder in self._root.iterdir():
            if folder != self._folder and folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


def _content(entry: _Entry | None, blob: str) -> memoryview | None:
    """What an entry holds; None when it is not as it was written."""
    if entry is None:
        return None
    pack, start, end, checksum = entry
    content = memoryview(pack)[start:end]
    return content if zlib.crc32(content, zlib.crc32(blob.encode("ascii"))) == checksum else None


def _entries(pack: bytes) -> Iterator[tuple[str, _Entry]]:
    """Those of a pack by blob, up to where it is cut or makes no sense."""
    at = 0
    while at + _HEAD.size <= len(pack):
        id_bytes, content_bytes, checksum = _HEAD.unpack_from(pack, at)
        start = at + _HEAD.size + id_bytes
        at = start + content_bytes
        if at > len(pack):
            return
        try:
            blob = str(pack[start - id_bytes : start], "ascii")
        except UnicodeDecodeError:
            return
        yield blob, (pack, start, at, checksum)


def _environment() -> str:
    """Whose code objects these are: a folder name that is another one for every Python, its flags and livegraft."""
    try:
        ours = version("livegraft")
    except PackageNotFoundError:
        ours = "unknown"
    return f"{python()}-{ours}-{FORMAT}"
