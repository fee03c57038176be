"""The file of a history: which one it is, whether it is still the one that was opened, and a safe copy of it.

A file that vanished must not become an empty history by being opened. So a history has a number, in its header; the
folder notes it in ``history.id`` beside the file, and processes note the inode.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from livegraft.errors import ConflictError, StoreError

LOCKED_SECONDS: Final = 5.0
"""For so long others may write without a pause before it is said that they keep the history locked."""

SPARE_BYTES: Final = 1 << 20
"""With less than that left on its disk a history counts as one that cannot be written."""


def connect(file: Path, mode: str = "rw", *, timeout: float = 5.0) -> sqlite3.Connection:
    """A connection to a file that is there: none is made, unless ``mode`` is ``rwc``."""
    return sqlite3.connect(
        f"file:{quote(str(file))}?mode={mode}", uri=True, timeout=timeout, check_same_thread=False, isolation_level=None
    )


def _open_journal(connection: sqlite3.Connection) -> None:
    """SQLite opens the journal of a file with the first statement that reads it."""
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def check_before_opening(file: Path) -> None:
    """Raise StoreError when the folder had a history and it is gone."""
    note = _note(file)
    if note.exists() and not (file.exists() and file.stat().st_size):
        raise StoreError(
            f"expected the history {file}, which this folder had, it is gone: restore a backup to its place, or remove "
            f"{note} to begin with an empty one"
        )


def check_identity(file: Path) -> None:
    """Give a new history its number, and raise StoreError when it is another one than the folder had."""
    with closing(connect(file, timeout=30)) as connection:
        number = _number(connection)
        if not number:
            connection.execute("BEGIN IMMEDIATE")
            number = _number(connection) or secrets.randbelow(2**31 - 1) + 1
            connection.execute(f"PRAGMA application_id = {number}")
            connection.execute("COMMIT")
    note = _note(file)
    noted = note.read_text(encoding="ascii").strip() if note.exists() else ""
    if noted and noted != str(number):
        raise StoreError(
            f"expected the history {file} to be number {noted}, which this folder had, it is number {number}: restore "
            f"a backup of it, or remove {note} to take this one"
        )
    if not noted:
        note.write_text(f"{number}\n", encoding="ascii")


def _note(file: Path) -> Path:
    return file.with_suffix(".id")


def _number(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _inode(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_on_read_only_disk(file: Path) -> bool:
    """Whether the disk of a history lets nothing be written. SQLite tells of that as of any other error."""
    try:
        # Asked by doing it: a file system that its kernel set read-only after an error may not say so of itself.
        os.utime(_note(file))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


class OpenedFile:
    """The file that this process has open, by its inode, and its journals.

    Other files may come to stand in their places. SQLite would apply the journal that it finds beside a file to it,
    whosesoever it is. One connection is held, so that the journals stay the same as long as the file is used.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._inode = _inode(file)
        # Held while a connection is opened, and while another file is taken.
        self.turn = threading.RLock()
        self._held: sqlite3.Connection | None = None
        self._journals: dict[Path, tuple[int, int] | None] = {}

    def check(self) -> None:
        """Raise StoreError when it is not in its place any more: what is written now would be gone with it."""
        found = _inode(self.file)
        if found != self._inode:
            what = "was deleted or moved away" if found is None else "was replaced by another file"
            raise StoreError(
                f"the history {self.file} {what} while it was in use: put it back, or a backup of it; until then "
                "nothing is written"
            )

    def connect(self, *, timeout: float) -> sqlite3.Connection:
        """A connection to this very file. Raises as ``check`` does.

        SQLite opens the file at once and its journal with the first statement. So the place is looked at in between:
        the journal of this file, applied to another that was put in its place, would be lost to this one.
        """
        connection = connect(self.file, timeout=timeout)
        try:
            self.check()
        except BaseException:
            connection.close()
            raise
        return connection

    def is_usable_again(self) -> bool:
        """Whether there is another file in its place which is a copy of the same history."""
        if _inode(self.file) in (None, self._inode):
            return False
        noted = _note(self.file)
        with contextlib.suppress(sqlite3.Error, OSError), closing(connect(self.file, "ro&immutable=1")) as connection:
            return str(_number(connection)) == noted.read_text(encoding="ascii").strip()
        return False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written into it yet."""
        with contextlib.suppress(OSError):
            return self.file.stat().st_size == 0
        return False

    def hold(self) -> None:
        """Hold a connection from now on, and note the journals once they are there: in WAL mode.

        Raises as ``check`` does. They are noted once: what stands in their places later may be another process's.
        """
        with self.turn:
            if self._held is None:
                self._held = self.connect(timeout=LOCKED_SECONDS)
            if not self._journals or None in self._journals.values():
                _open_journal(self._held)
                beside = [self.file.with_name(self.file.name + ending) for ending in ("-wal", "-shm")]
                self._journals = {each: _inode(each) for each in beside}

    def let_go(self) -> None:
        """Close what is held. Idempotent."""
        with self.turn:
            if self._held is not None:
                self._held.close()
                self._held = None

    def take_again(self) -> None:
        """Use the file that is there now, without the journals of the one before."""
        with self.turn:
            for each, inode in self._journals.items():
                if inode is not None and _inode(each) == inode:  # it is open until here, so no other has its inode
                    each.unlink(missing_ok=True)
            self.let_go()
            self._journals = {}
            self._inode = _inode(self.file)

    def try_writing(self, *, really: bool) -> None:
        """Raise StoreError or sqlite3.Error when it cannot be read, locked, or ``really`` written."""
        self.check()
        space = os.statvfs(self.file.parent)
        left = space.f_bavail * space.f_frsize
        if left < SPARE_BYTES:
            raise StoreError(
                f"the history {self.file} cannot be written: its disk is full, {left} bytes are left; free some space"
            )
        with closing(self.connect(timeout=LOCKED_SECONDS)) as connection:
            connection.execute("SELECT count(*) FROM alembic_version").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            if really:
                # A number in the header that nobody reads.
                turned = int(connection.execute("PRAGMA user_version").fetchone()[0]) ^ 1
                connection.execute(f"PRAGMA user_version = {turned}")
            connection.execute("COMMIT")


def copy(file: Path, target: Path, *, overwrite: bool = False) -> int:
    """Copy a history to another file while it is in use, as of one moment; its size in bytes.

    The copy is checked, and gets its name when it is whole. Raises ConflictError when there is a file already, and
    StoreError.
    """
    if target.exists() and not overwrite:
        raise ConflictError(f"expected no file at {target}, there is one: name another, or say --overwrite")
    if not file.exists():
        raise StoreError(f"expected a history at {file}, there is none: name the data folder with --data")
    with _beside(target) as unfinished:
        try:
            with closing(connect(file, timeout=30)) as source:
                source.execute("PRAGMA auto_vacuum = INCREMENTAL")
                # One statement reads one committed state, however long it takes, and no writer waits for it.
                source.execute("VACUUM INTO ?", (f"file:{quote(str(unfinished))}",))
            problems = find_damage(unfinished)
        except sqlite3.Error as error:
            raise StoreError(f"the history {file} could not be copied to {target}: {error}") from error
        if problems:
            raise StoreError(f"the history {file} is damaged, its copy is too: {problems[0]}")
        _sync(unfinished)
        os.replace(unfinished, target)
        _sync(target.parent)
    return target.stat().st_size


def find_damage(file: Path) -> list[str]:
    """What is wrong with a file, by SQLite's own check of all of it; nothing, as a rule."""
    with closing(connect(file, "ro")) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    return [] if found == ["ok"] else found


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A file beside another that is gone at the end."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        yield unfinished
    except OSError as error:
        raise StoreError(f"the copy {target} could not be written: {error}") from error
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
