"""The files of a directory as they are now, committed or not, for ``livegraft check`` and ``livegraft run``."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from livegraft.errors import ConfigurationError, MirrorError, NotFoundError
from livegraft.mirror import names
from livegraft.mirror.command import Git, hardened_environment
from livegraft.mirror.failure import telling
from livegraft.mirror.limits import DEFAULT_LIMITS, Limits
from livegraft.mirror.watch import Watcher
from livegraft.revision import Revision
from livegraft.snapshot import Skipped, Snapshot

WORKTREE = "worktree"
"""The id of the one revision that a work tree has."""

DEADLINE_SECONDS = 30.0
BEHIND_THE_SCENES = "__pycache__"


class WorkTree:
    """A directory as a mirror: each snapshot is what lies there at that moment.

    In a Git work tree these are the tracked files and the new ones that are not ignored; elsewhere all files,
    but for those whose names begin with a dot. Blob ids are those that git would give. Raises ConfigurationError.
    """

    def __init__(self, path: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self._folder = path.expanduser().absolute()
        if not self._folder.is_dir():
            raise ConfigurationError(f"expected a directory, got: {str(self._folder)!r}")
        self._limits = limits
        self._places: dict[str, Path] = {}
        self._watchers: list[Watcher] = []

    @property
    def address(self) -> str:
        return str(self._folder)

    @property
    def branch(self) -> str:
        return WORKTREE

    def fetch(self) -> Revision:
        return Revision(WORKTREE, "", "", datetime.now(UTC), "files of the work tree")

    def glance(self) -> Revision | None:
        return None

    def tip(self) -> Revision | None:
        return self.fetch()

    def revision(self, id: str) -> Revision:
        if id != WORKTREE:
            raise NotFoundError("revision", id)
        return self.fetch()

    def snapshot(self, revision: Revision) -> Snapshot:
        self.revision(revision.id)
        files: dict[str, str] = {}
        skipped: list[Skipped] = []
        forms: dict[str, str] = {}
        for path in self._paths():
            if len(files) >= self._limits.files:
                skipped.append(Skipped(".", f"expected at most {self._limits.files:,} files"))
                break
            if reason := self._fault(path, forms):
                skipped.append(Skipped(names.shown(path), reason))
                continue
            data = self._read_file(self._folder / path)
            if data is not None:
                files[path] = blob_id(data)
                self._places[files[path]] = self._folder / path
        return Snapshot(revision, files, tuple(skipped))

    def read(self, blob: str) -> bytes:
        """The content of one blob. Raises NotFoundError, also when the file was changed since the snapshot."""
        place = self._places.get(blob)
        data = self._read_file(place) if place is not None else None
        if data is None or blob_id(data) != blob:
            raise NotFoundError("file of the work tree", blob)
        return data

    def read_many(self, blobs: Sequence[str]) -> Iterator[bytes]:
        return map(self.read, blobs)

    def is_ancestor(self, older: str, newer: str) -> bool:
        self.revision(older)
        self.revision(newer)
        return True

    def watch(self, changed: Callable[[], None]) -> None:
        self._watchers.append(Watcher([self._folder], concerns=self._concerns, changed=changed))

    def close(self) -> None:
        while self._watchers:
            self._watchers.pop().close()

    def _concerns(self, file: Path) -> bool:
        parts = file.relative_to(self._folder).parts
        return ".git" not in parts and BEHIND_THE_SCENES not in parts

    def _paths(self) -> Iterator[str]:
        """The files to look at, each once, in the order of their names."""
        if any((folder / ".git").exists() for folder in (self._folder, *self._folder.parents)):
            return iter(sorted(set(self._paths_by_git())))
        return iter(sorted(self._paths_by_walking()))

    def _paths_by_git(self) -> Iterator[str]:
        environment = hardened_environment("file", home=str(Path.home()), global_settings=None)
        git = Git(("-c", "safe.directory=*"), environment, folder=self._folder)
        ended = git.run("ls-files", "-z", "-co", "--exclude-standard", deadline_seconds=DEADLINE_SECONDS)
        if ended.code != 0:
            raise MirrorError("damaged", f"expected a readable work tree, git failed: {telling(ended.errors)}")
        for name in ended.output.split(b"\0"):
            if name and os.path.lexists(os.fsencode(self._folder) + b"/" + name):
                yield os.fsdecode(name)

    def _paths_by_walking(self) -> Iterator[str]:
        for folder, inner, files in os.walk(self._folder):
            links = [name for name in inner if Path(folder, name).is_symlink()]
            inner[:] = [name for name in inner if not name.startswith(".") and name != BEHIND_THE_SCENES]
            for name in (*files, *links):
                if not name.startswith("."):
                    yield Path(folder, name).relative_to(self._folder).as_posix()

    def _fault(self, path: str, forms: dict[str, str]) -> str:
        """Why the file is left out; "" when it is not."""
        if reason := next(filter(None, map(names.fault, path.split("/"))), ""):
            return reason
        if len(path) > self._limits.path_length:
            return f"expected a path of at most {self._limits.path_length} characters"
        found = (self._folder / path).lstat()
        if stat.S_ISLNK(found.st_mode):
            return names.SYMLINK
        if stat.S_ISDIR(found.st_mode):
            return names.SUBMODULE
        if not stat.S_ISREG(found.st_mode):
            return "expected a regular file"
        if found.st_size > self._limits.blob_bytes:
            return f"expected a file of at most {self._limits.blob_bytes:,} bytes, got: {found.st_size:,}"
        if forms.setdefault(names.fold(path), path) != path:
            return names.TWIN
        return ""

    def _read_file(self, file: Path) -> bytes | None:
        """The content, None when the file is gone or no regular file any more."""
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with open(descriptor, "rb") as opened:
            data = opened.read(self._limits.blob_bytes + 1)
        return data if len(data) <= self._limits.blob_bytes else None


def blob_id(data: bytes) -> str:
    """The id that git gives to a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
