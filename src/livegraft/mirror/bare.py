"""The folder of the mirror: a bare repository that only livegraft writes to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from livegraft.errors import ConfigurationError, MirrorError

CONFIG = """\
[core]
\trepositoryFormatVersion = 0
\tfileMode = true
\tbare = true
\tlogAllRefUpdates = false
"""
GLOBAL_SETTINGS = """\
[safe]
\tdirectory = *
"""
"""Only calls on the configured local repository see it, which may belong to another user. Git passes neither ``-c`` nor
the environment on to the process that serves a local repository, so it must be a file."""

GLOBAL_SETTINGS_NAME = "livegraft.gitconfig"
ADDRESS_NAME = "livegraft.address"
PLANTABLE = (
    "hooks",
    "info",
    "objects/info/alternates",
    "objects/info/http-alternates",
    "refs/replace",
    "config.worktree",
    "shallow",
)
"""What git would obey, and livegraft never writes."""

LOCKS = ("*.lock", "refs/**/*.lock")
LEFTOVERS = (
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/??/tmp_obj_*",
    "objects/tmp_*",
    "FETCH_HEAD",
)
"""What a git that was killed leaves behind; its locks would stop the next one."""

TRY_AGAIN_SECONDS = 0.01


class BareFolder:
    """Where the mirror of one address lies. One process at a time changes it, under ``locked``."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self._address = address
        self.global_settings = folder / GLOBAL_SETTINGS_NAME

    def prepare(self) -> None:
        """Make the folder ours alone, and an empty repository if it is new. Raises ConfigurationError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.folder.stat().st_uid
        if owner != os.geteuid():
            raise ConfigurationError(
                f"expected the mirror {str(self.folder)!r} to belong to the user who runs this (id {os.geteuid()}),"
                f" got: id {owner}; remove it or choose another data folder"
            )
        self.folder.chmod(0o700)
        self._forget_another()
        self.guard()

    def guard(self) -> None:
        """Write what makes it a repository and its settings anew; remove what was planted or left locked.

        Only while ``locked``.
        """
        self._lay_out()
        _write(self.folder / "config", CONFIG)
        _write(self.global_settings, GLOBAL_SETTINGS)
        for name in PLANTABLE:
            _remove(self.folder / name)
        self._remove_all(LOCKS)

    def sweep(self) -> None:
        """Remove what a killed git left behind. Only while ``locked``."""
        self._remove_all(LEFTOVERS)

    def discard(self) -> None:
        """Remove the folder with all that is in it."""
        _remove(self.folder)

    def replace_by(self, other: BareFolder) -> None:
        """Put another repository into this place; this one is removed."""
        old = self.folder.with_name(f"{self.folder.name}.damaged")
        _remove(old)
        self.folder.rename(old)
        other.folder.rename(self.folder)
        _remove(old)

    @contextlib.contextmanager
    def locked(self, deadline_seconds: float) -> Iterator[None]:
        """Keep other processes and threads from changing the folder. Raises MirrorError ``timeout``."""
        until = time.monotonic() + deadline_seconds
        # Beside the folder, because a rebuilt one takes its place.
        with self.folder.with_name(f"{self.folder.name}.lock").open("a") as file:
            while not _lock(file.fileno()):
                if time.monotonic() > until:
                    raise MirrorError(
                        "timeout", f"expected the mirror {str(self.folder)!r} to be free, another process holds it"
                    )
                time.sleep(TRY_AGAIN_SECONDS)
            yield

    def _forget_another(self) -> None:
        """Drop the branches when the folder mirrored another repository: its code is not to be taken for this one's."""
        note = self.folder / ADDRESS_NAME
        if note.is_file() and note.read_text(errors="replace") != self._address:
            _remove(self.folder / "refs")
            _remove(self.folder / "packed-refs")
        _write(note, self._address)

    def _remove_all(self, patterns: Sequence[str]) -> None:
        for pattern in patterns:
            for file in self.folder.glob(pattern):
                _remove(file)

    def _lay_out(self) -> None:
        """The least that git takes for a repository; no program and no template is needed for it."""
        for name in ("objects/pack", "objects/info", "refs/heads", "refs/livegraft"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        head = self.folder / "HEAD"
        if not head.exists():
            _write(head, "ref: refs/heads/nothing\n")


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: Path, text: str) -> None:
    if file.is_symlink() or not file.is_file() or file.read_text(errors="replace") != text:
        _remove(file)
        file.write_text(text)


def _remove(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file, ignore_errors=True)
    else:
        file.unlink(missing_ok=True)
