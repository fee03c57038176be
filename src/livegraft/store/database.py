"""The port to a database in SQL: connections, transactions, and failures told as StoreError.

The ledgers are written once, over this port. It has two adapters: ``sqlite`` and ``postgresql``.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Select, Table
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from livegraft.errors import StoreError

T = TypeVar("T")

BUSY_SECONDS: Final = 30.0
"""How long a write waits for others that are writing."""


class Database(Protocol):
    """Methods may be called from any thread; failures raise StoreError, which says what to do."""

    name: str
    """What people know it by: the file, or where the server is. No password stands in it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one committed state, the last."""

    def writing(self, alone: str = "") -> AbstractContextManager[Connection]:
        """A transaction: committed at the end, rolled back when it raises.

        Others may be under way at the same time, in this process and elsewhere, so that what they must not do twice is
        for the constraints of the schema to refuse. With ``alone``, a word, no other of the same word is.
        """

    def glance(self, question: Select[Any], values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of one small question, at a fraction of what ``reading`` costs.

        For what hosts ask on their request paths. Values and row are as the columns are kept: instants are numbers.
        """

    def check(self) -> None:
        """Raise StoreError when it could not be written now. Writes nothing as long as all is well."""

    def size(self) -> int:
        """The bytes that it takes on its disk."""

    def close(self) -> None: ...


class Owner:
    """The process that opened a database. Its forks have the same connections, which two cannot use."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self, name: str) -> None:
        """Raise StoreError in a fork."""
        if self._pid != os.getpid():
            raise StoreError(
                f"the history {name} was opened by process {self._pid}, of which this one ({os.getpid()}) is a fork: "
                "make and start the supervisor after the fork, in each worker"
            )


class InDoubtError(StoreError):
    """The connection was lost with the answer to a commit: what was written is there, or it is not."""


_PAUSES: Final = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each further try of a write that is in doubt."""


def certainly(write: Callable[[], T]) -> T:
    """Do a write that may be done twice, again when it is in doubt. Raises InDoubtError when it stays in doubt."""
    try:
        return write()
    except InDoubtError as error:
        for pause in _PAUSES:
            time.sleep(pause)
            with contextlib.suppress(StoreError):
                return write()
        raise error


def passes(error: Exception) -> bool:
    """Whether what failed may do later: it was not refused for what it says."""
    return not isinstance(error, (DataError, IntegrityError, ProgrammingError))


class Upsert:
    """INSERT of rows some of which may be there: those get new values in the columns ``changed``, or stay as they are.

    ``keys`` are the columns that tell whether a row is there; without any, every constraint does. It is written in
    the words of the database that it goes to: ``connection.execute(upsert.on(connection), rows)``.
    """

    def __init__(self, table: Table, *keys: str, changed: tuple[str, ...] = ()) -> None:
        self._table, self._keys, self._changed = table, keys, changed
        self._in_words_of: dict[str, Any] = {}

    def on(self, connection: Connection) -> Any:
        dialect = connection.dialect.name
        if dialect not in self._in_words_of:
            self._in_words_of[dialect] = self._written(_insert_of(dialect))
        return self._in_words_of[dialect]

    def _written(self, insert: Callable[[Table], Any]) -> Any:
        # The count of rows that came to be is asked for: without this not every driver's is handed on.
        statement = insert(self._table).execution_options(preserve_rowcount=True)
        if not self._changed:
            return statement.on_conflict_do_nothing(index_elements=self._keys or None)
        new = {name: statement.excluded[name] for name in self._changed}
        return statement.on_conflict_do_update(index_elements=self._keys, set_=new)


def _insert_of(dialect: str) -> Callable[[Table], Any]:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert
