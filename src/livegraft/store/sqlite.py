"""The store in one SQLite file, migrated to the newest schema when it is opened."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from livegraft.errors import StoreError
from livegraft.store.database import BUSY_SECONDS, Owner, passes
from livegraft.store.schema import NEWEST
from livegraft.store.sql import SqlStore
from livegraft.store.sqlite_file import (
    OpenedFile,
    check_before_opening,
    check_identity,
    connect,
    is_on_read_only_disk,
)

logger = logging.getLogger(__name__)

_LOCKED_PAUSE: Final = 0.02

_CACHE_KIB: Final = 512
"""Pages of the file that each connection keeps. What is not there is in the system's cache, a few us away; SQLite's own
2 MiB would be taken by every thread that looks, and look like a leak for hours."""

_ADVICE: Final = {
    "database is locked": "another process keeps it locked: end it, or give each process a data folder of its own",
    "database or disk is full": "free some space on the disk that holds it",
    "its disk is read-only": "the system's log tells why, as a rule errors of the disk: repair it and mount it again",
    "attempt to write a readonly database": "make the file and its folder writable for this user",
    "unable to open database file": "check that the folder exists and is writable for this user",
    "file is not a database": "it is damaged or something else: restore a backup, or move it away to begin anew",
    "database disk image is malformed": "it is damaged: restore a backup, or move it away to begin anew",
}
_OF_READ_ONLY_DISKS: Final = ("disk I/O error", "attempt to write a readonly database")


def open_store(file: Path) -> SqlStore:
    """Open the history in a file, made if it is missing. Raises StoreError when it is damaged or newer."""
    check_before_opening(file)
    is_newest = _revision(file) == NEWEST
    database = SqliteDatabase(file)
    if not is_newest:
        # Alembic takes a while to import and is needed once in the life of a file and schema.
        from livegraft.store.migrations import migrate

        migrate(database)
    try:
        check_identity(file)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


class SqliteDatabase:
    """See ``livegraft.store.database.Database``. A file in WAL mode.

    Readers have connections of their own and never wait; writers take turns. One connection writes: SQLite has one
    writer at a time anyway, and waiting in Python is fair and cheap while waiting in SQLite is polling.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.name = str(file)
        file.touch()
        self._owner = Owner()
        self._opened = OpenedFile(file)
        self._engine = _engine(self._opened)
        self._reader = self._engine.execution_options(writes=False)
        self._turn = threading.Lock()
        self._writer: Connection | None = None
        self._glance_turn = threading.Lock()
        self._glancer: sqlite3.Connection | None = None
        self._glances: dict[Select[Any], str] = {}
        self._closed = False
        self._failed = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._telling_failures(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, alone: str = "") -> Iterator[Connection]:
        """A transaction that no other writer is in, whatever its word."""
        self._owner.check(self.name)  # first: who held the turn at a fork never gives it back there
        with self._its_turn(), self._telling_failures():
            if self._writer is None:
                self._writer = self._engine.connect()
            with self._writer.begin():
                yield self._writer
                self._opened.check()

    def glance(self, question: Select[Any], values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """By the driver itself: a tenth of what ``reading`` costs."""
        self._owner.check(self.name)
        with self._glance_turn, self._telling_failures():
            if question not in self._glances:
                self._glances[question] = str(question.compile(dialect=sqlite.dialect(paramstyle="named")))
            if self._glancer is None:
                self._glancer = _connect(self._opened)
            row: tuple[Any, ...] | None = self._glancer.execute(self._glances[question], values).fetchone()
            return row

    def check(self) -> None:
        with self._telling_failures():
            try:
                self._opened.try_writing(really=self._failed)
            except BaseException:
                self._failed = True
                if self._opened.is_usable_again():
                    with self._turn, self._glance_turn:
                        self._let_go()
                        self._opened.take_again()
                    logger.warning(
                        "another copy of the history %s was put in its place, and is used from now on", self.file
                    )
                raise
            self._failed = False

    def size(self) -> int:
        files = (self.file, *(self.file.with_name(self.file.name + ending) for ending in ("-wal", "-shm")))
        try:
            return sum(file.stat().st_size for file in files if file.exists())
        except OSError as error:
            raise StoreError(self._explain(error)) from error

    def close(self) -> None:
        with self._turn, self._glance_turn:
            self._closed = True
            self._let_go()
            self._opened.let_go()

    def _let_go(self) -> None:
        if self._glancer is not None:
            self._glancer.close()
            self._glancer = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._engine.dispose()

    @contextmanager
    def _its_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise StoreError(self._explain(sqlite3.OperationalError("database is locked")))
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _telling_failures(self) -> Iterator[None]:
        self._owner.check(self.name)
        if self._closed:
            raise StoreError(f"expected the history {self.file.name} to be open, it is closed")
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            self._failed |= passes(error)
            raise StoreError(self._explain(error), passes=passes(error)) from error

    def _explain(self, error: Exception) -> str:
        cause = str(getattr(error, "orig", None) or error)
        if any(part in cause for part in _OF_READ_ONLY_DISKS) and is_on_read_only_disk(self.file):
            cause = "its disk is read-only"
        advice = next((advice for part, advice in _ADVICE.items() if part in cause), "see the log for the cause")
        return f"the history {self.file} cannot be used: {cause}; {advice}"


def _connect(opened: OpenedFile) -> sqlite3.Connection:
    connection = opened.connect(timeout=BUSY_SECONDS)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _open(opened: OpenedFile) -> sqlite3.Connection:
    """A connection that has its journal open too, or none.

    One that is half open when another file takes the place would go on with the journal of that one.
    """
    with opened.turn:
        connection = _connect(opened)
        try:
            if not opened.is_empty:
                opened.hold()  # first: the next statement writes into the journal
            # Of a new file, before anything is in it: so it can give pages back, a few at a time.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _write_ahead(connection)
            opened.hold()  # again: only now a copy, which is not made in WAL mode, has its journals
            # In WAL mode NORMAL loses nothing when a process is killed; only a power cut may cost the last commits.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _engine(opened: OpenedFile) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: _open(opened),
        poolclass=QueuePool,
        hide_parameters=True,  # what runs were given is for no log
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: Any) -> None:
    """Have the file's journal written ahead. SQLite does not wait for others by itself when it changes that."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_LOCKED_PAUSE)
        else:
            return


def _revision(file: Path) -> str | None:
    if not file.exists():
        return None
    try:
        with closing(connect(file, "ro")) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None  # no such table, or busy: the migration finds out
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the history {file} cannot be used: {error}; restore a backup, or move it away to begin anew"
        ) from error
    return str(row[0]) if row else None
