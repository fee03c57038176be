"""The directories of a revision, read from raw tree objects and shared between revisions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from livegraft.mirror import names
from livegraft.mirror.batch import TooBigError
from livegraft.mirror.limits import Limits
from livegraft.snapshot import Skipped

FOLDERS = {b"40000", b"040000"}
REGULAR = {b"100644", b"100755", b"100664"}
OTHER_MODES = {
    b"120000": names.SYMLINK,
    b"160000": names.SUBMODULE,
}
ENTRIES = {
    40: re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL),
    64: re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{32})", re.DOTALL),
}


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """One directory of a revision with all that is below it.

    ``files`` maps whole paths to blob ids. ``folders`` are the directories right in it, by name.
    ``entries`` counts everything below, for the limits.
    """

    id: str
    files: Mapping[str, str]
    skipped: tuple[Skipped, ...]
    folders: Mapping[str, Folder]
    entries: int


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """A directory that is read, before the sizes of its files are known; of ``old`` files they were known before."""

    id: str
    files: dict[str, str]
    skipped: list[Skipped]
    folders: dict[str, _Draft | Folder]
    entries: int
    old: Mapping[str, str]

    def new_blobs(self) -> Iterator[str]:
        yield from (blob for path, blob in self.files.items() if self.old.get(path) != blob)
        for folder in self.folders.values():
            if isinstance(folder, _Draft):
                yield from folder.new_blobs()


class Source(Protocol):
    """What a walk reads from."""

    def tree(self, id: str) -> bytes:
        """The content of a tree object. Raises TooBigError, MirrorError."""

    def sizes(self, blobs: list[str]) -> list[int]:
        """The size of each blob in bytes. Raises MirrorError."""


class Walk:
    """One reading of a whole tree, beside an earlier one whose unchanged directories are taken over.

    ``complete`` is False when the limit of files was reached: such a tree is not to be taken over.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._left = limits.files
        self.complete = True

    def read(self, id: str, known: Folder | None) -> Folder:
        """The tree with this id; ``known`` is what stood at its place before."""
        read = self._read(id, known, "", 0)
        if isinstance(read, Folder):
            return read
        # Of all files at once: to ask folder by folder takes longer than all else here.
        blobs = list(dict.fromkeys(read.new_blobs()))
        return self._finish(read, dict(zip(blobs, self._source.sizes(blobs), strict=True)))

    def _read(self, id: str, known: Folder | None, prefix: str, depth: int) -> _Draft | Folder:
        if known is not None and known.id == id and known.entries <= self._left:
            self._left -= known.entries
            return known
        try:
            entries = self._entries(id)
        except (TooBigError, ValueError) as error:
            return _refused(id, prefix, str(error))
        if len(entries) > self._limits.tree_entries:
            reason = f"expected at most {self._limits.tree_entries:,} entries in a directory, got: {len(entries):,}"
            return _refused(id, prefix, reason)
        return self._sort(id, entries, known, prefix, depth)

    def _entries(self, id: str) -> list[tuple[bytes, bytes, bytes]]:
        data = self._source.tree(id)
        entries: list[tuple[bytes, bytes, bytes]] = ENTRIES[len(id)].findall(data)
        if sum(len(mode) + len(name) + len(object_id) + 2 for mode, name, object_id in entries) != len(data):
            raise ValueError("expected a well-formed directory")
        return entries

    def _sort(
        self, id: str, entries: list[tuple[bytes, bytes, bytes]], known: Folder | None, prefix: str, depth: int
    ) -> _Draft:
        before = self._left
        files: dict[str, str] = {}
        folders: dict[str, _Draft | Folder] = {}
        skipped: list[Skipped] = []
        forms: set[str] = set()
        for mode, raw, object_id in entries:
            if self._left <= 0:
                self.complete = False
                skipped.append(Skipped(prefix or ".", f"expected at most {self._limits.files:,} files in a revision"))
                break
            self._left -= 1
            name, reason = self._judge(mode, raw, prefix, depth, forms)
            if reason:
                skipped.append(Skipped(prefix + name, reason))
            elif mode in FOLDERS:
                there = known.folders.get(name) if known is not None else None
                folders[name] = self._read(object_id.hex(), there, f"{prefix}{name}/", depth + 1)
            else:
                files[prefix + name] = object_id.hex()
        return _Draft(id, files, skipped, folders, before - self._left, known.files if known is not None else {})

    def _judge(self, mode: bytes, raw: bytes, prefix: str, depth: int, forms: set[str]) -> tuple[str, str]:
        """The name, and why the entry is left out ("" when it is not)."""
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            return names.printable(raw), "expected a name in UTF-8"
        if reason := names.fault(name):
            return names.shown(name), reason
        if mode not in FOLDERS and mode not in REGULAR:
            return name, OTHER_MODES.get(mode, f"expected a regular file, got mode {mode.decode()}")
        if len(prefix) + len(name) > self._limits.path_length:
            return name, f"expected a path of at most {self._limits.path_length} characters"
        if mode in FOLDERS and depth >= self._limits.depth:
            return name, f"expected at most {self._limits.depth} directories inside each other"
        form = names.fold(name)
        if form in forms:
            return name, names.TWIN
        forms.add(form)
        return name, ""

    def _finish(self, draft: _Draft, sizes: Mapping[str, int]) -> Folder:
        """The directory without the files that are too big."""
        files, skipped = dict(draft.files), list(draft.skipped)
        for path, blob in draft.files.items():
            size = sizes.get(blob, 0)  # of none that was here before: it was not too big
            if size > self._limits.blob_bytes:
                del files[path]
                most = f"{self._limits.blob_bytes:,}"
                skipped.append(Skipped(path, f"expected a file of at most {most} bytes, got: {size:,}"))
        folders: dict[str, Folder] = {}
        for name, folder in draft.folders.items():
            folders[name] = finished = folder if isinstance(folder, Folder) else self._finish(folder, sizes)
            files.update(finished.files)
            skipped.extend(finished.skipped)
        return Folder(draft.id, files, tuple(skipped), folders, draft.entries)


def _refused(id: str, prefix: str, reason: str) -> Folder:
    return Folder(id, {}, (Skipped(prefix.rstrip("/") or ".", reason),), {}, 1)
