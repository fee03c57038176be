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
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from livegraft.packed import python, unpack
from livegraft.source import Source

FORMAT: Final = 3
"""Counts up when what is kept changes within one version of livegraft."""

MOST_PACKS: Final = 16
"""So many packs become one, without the entries that no file of the plan has any more."""

FORGOTTEN_AFTER_SECONDS: Final = 30 * 24 * 3600
"""How long the packs of another Python or livegraft are left alone."""

_HEAD: Final = struct.Struct("<HII")
"""Of an entry: the bytes of its blob id, the bytes of its content, the checksum of both."""


class CodeCache:
    """The packs in one folder, for one Python and one livegraft. May be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._folder = folder / _environment()
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[memoryview, int]] | None = None
        self._new: dict[str, bytes] = {}

    def get(self, path: str, blob: str, read: Callable[[str], bytes]) -> Source | None:
        """A file as ``read_source`` found it once; None if it is not here. ``read`` gives its content when needed."""
        with self._lock:
            found = self._known().get(blob)
        if found is None:
            return None
        content, checksum = found
        if zlib.crc32(content, zlib.crc32(blob.encode("ascii"))) != checksum:
            return None
        return unpack(content, path, read=read, blob=blob)

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
            new.update((blob, bytes(known[blob][0])) for blob in known.keys() & set(used) if blob not in new)
        self._write(new)
        if len(packs) >= MOST_PACKS:
            for pack in packs:
                pack.unlink(missing_ok=True)
            self._sweep()

    def _known(self) -> dict[str, tuple[memoryview, int]]:
        if self._entries is None:
            self._entries = self._read_all(self._folder.glob("*.pack"))
        return self._entries

    def _read_all(self, packs: Collection[Path] | Iterator[Path]) -> dict[str, tuple[memoryview, int]]:
        found: dict[str, tuple[memoryview, int]] = {}
        for pack in packs:
            try:
                data = pack.read_bytes()
            except OSError:  # another process has joined it to others
                continue
            found.update(_entries(memoryview(data)))
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


def _entries(data: memoryview) -> Iterator[tuple[str, tuple[memoryview, int]]]:
    """Blob -> content and checksum, up to where the pack is cut or makes no sense."""
    at = 0
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
        yield blob, (data[start:at], checksum)


def _environment() -> str:
    """Whose code objects these are: a folder name that is another one for every Python, its flags and livegraft."""
    try:
        ours = version("livegraft")
    except PackageNotFoundError:
        ours = "unknown"
    return f"{python()}-{ours}-{FORMAT}"
