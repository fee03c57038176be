"""Files that a run leaves for people: written into a folder of its own, bounded, and kept as long as its row.

What a script puts there is not trusted: only regular files with readable names are kept and given out. Everything else
(links, devices, sockets), and what is too much, is removed when the run ends, and its output says so.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from livegraft.errors import NotFoundError

_NOTES_LIMIT: Final = 10
_LOOKED_AT: Final = 10_000
"""Files that are looked at while a run goes on, whose folder is not tidy yet and may have millions."""


@dataclass(frozen=True, slots=True)
class ArtifactLimits:
    """What is kept of one run's files. ``bytes`` is for all of them together."""

    files: int = 100
    bytes: int = 256 << 20
    depth: int = 8
    name_length: int = 200


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a run left; ``name`` is its path inside of the run's folder, with slashes."""

    name: str
    byte_count: int


@dataclass(frozen=True, slots=True)
class _Found:
    file: Path
    name: str
    status: os.stat_result


class Artifacts:
    """The folders of all runs below one folder: ``FOLDER/<run id>``, made when a run asks for its own."""

    def __init__(self, folder: Path, limits: ArtifactLimits = ArtifactLimits()) -> None:
        self._folder = folder.absolute()
        self._limits = limits

    def folder_of(self, run_id: str) -> Path:
        return self._folder / run_id

    def find(self, run_id: str) -> Sequence[Artifact]:
        """What a run left so far, by name; of one that ended, all that is kept."""
        judged = self._judged(run_id, most=_LOOKED_AT)
        return [Artifact(each.name, each.status.st_size) for each, fault in judged if not fault]

    def open(self, run_id: str, name: str) -> BinaryIO:
        """A file that a run left, opened for reading. Raises NotFoundError for every other name."""
        if not any(each.name == name for each in self.find(run_id)):
            raise NotFoundError("artifact", name)
        try:
            descriptor = _open_below(self.folder_of(run_id), name)
        except OSError:
            raise NotFoundError("artifact", name) from None
        status = os.fstat(descriptor)
        # Between the look and the opening the script may have put something else there.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(descriptor)
            raise NotFoundError("artifact", name)
        return open(descriptor, "rb")

    def settle(self, run_id: str) -> list[str]:
        """A run ended: remove what is not kept of its folder. A line for each file, up to some, says why."""
        notes = []
        refused = 0
        for each, fault in list(self._judged(run_id)):
            if fault:
                refused += 1
                _remove(each.file)
                if refused <= _NOTES_LIMIT:
                    notes.append(f"the artifact {each.name[: self._limits.name_length]!r} is not kept: {fault}")
        if refused > _NOTES_LIMIT:
            notes.append(f"{refused - _NOTES_LIMIT} more artifacts are not kept")
        return notes

    def sizes(self) -> Mapping[str, int]:
        """The bytes of the files of each run that left some."""
        if not self._folder.is_dir():
            return {}
        return {id: sum(found.status.st_size for found in self._walk(id, None)) for id in os.listdir(self._folder)}

    def drop(self, run_id: str) -> None:
        """Remove all that a run left: its row is gone."""
        shutil.rmtree(self.folder_of(run_id), ignore_errors=True)

    def prune(self, is_known: Callable[[str], bool]) -> int:
        """Drop what is left of runs that are not known; of how many."""
        if not self._folder.is_dir():
            return 0
        unknown = [name for name in os.listdir(self._folder) if not is_known(name)]
        for name in unknown:
            _remove(self._folder / name)
        return len(unknown)

    def _judged(self, run_id: str, most: int | None = None) -> Iterator[tuple[_Found, str]]:
        """What is in a run's folder but folders, by name, with why it is not kept, if it is not; ``most`` at most."""
        files, left = 0, self._limits.bytes
        for found in islice(self._walk(run_id, most), most):
            fault = self._fault(found)
            if not fault and files >= self._limits.files:
                fault = f"there are more than {self._limits.files}"
            if not fault and found.status.st_size > left:
                fault = f"it has {found.status.st_size} bytes, and all together may have {self._limits.bytes}"
            if not fault:
                files += 1
                left -= found.status.st_size
            yield found, fault

    def _fault(self, found: _Found) -> str:
        mode, name = found.status.st_mode, found.name
        if stat.S_ISLNK(mode):
            return "it is a symbolic link"
        if stat.S_ISDIR(mode):
            return f"it is in more than {self._limits.depth} folders"
        if not stat.S_ISREG(mode):
            return "it is no regular file"
        if found.status.st_nlink > 1:
            return "it is linked from elsewhere"
        if len(name) > self._limits.name_length or not name.isprintable():
            return f"expected a printable name of at most {self._limits.name_length} characters"
        return ""

    def _walk(self, run_id: str, most: int | None) -> Iterator[_Found]:
        """Files of every kind below a run's folder, links not followed; folders only where they are too deep."""
        root = self.folder_of(run_id)
        waiting = [(root, "", 0)] if root.is_dir() and not root.is_symlink() else []
        while waiting:
            folder, prefix, depth = waiting.pop()
            entries: list[os.DirEntry[str]] = []
            with suppress(OSError), os.scandir(folder) as found:
                entries = sorted(islice(found, most), key=lambda entry: entry.name)
            for entry in entries:
                name = f"{prefix}{entry.name}"
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False) and depth < self._limits.depth:
                        waiting.append((Path(entry.path), f"{name}/", depth + 1))
                    else:
                        yield _Found(Path(entry.path), name, entry.stat(follow_symlinks=False))


def _open_below(folder: Path, name: str) -> int:
    """Open a file below a folder with no link on the way, whatever changes meanwhile. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(folder, flags | os.O_DIRECTORY)
    *folders, last = PurePosixPath(name).parts
    try:
        for part in folders:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        return os.open(last, flags, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _remove(file: Path) -> None:
    with suppress(OSError):
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink()
