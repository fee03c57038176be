"""The store in one SQLite file, migrated to the newest schema when it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from livegraft.errors import StoreError
from livegraft.store.database import Database
from livegraft.store.decisions import SqlAudit, SqlRestraints
from livegraft.store.releases import SqlReleases
from livegraft.store.runs import SqlRuns
from livegraft.store.shared import SqlShared
from livegraft.store.slots import SqlSlots

NEWEST: Final = "0003"
"""The revision of the schema that this livegraft reads and writes (see ``migrations/versions``)."""


class SqliteStore:
    """See ``livegraft.store.Store``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.runs = SqlRuns(database)
        self.releases = SqlReleases(database)
        self.slots = SqlSlots(database)
        self.restraints = SqlRestraints(database)
        self.audit = SqlAudit(database)
        self.shared = SqlShared(database)

    def close(self) -> None:
        self._database.close()


def open_store(file: Path) -> SqliteStore:
    """Open the history in a file, made if it is missing. Raises StoreError when it is damaged or newer."""
    if _revision(file) != NEWEST:
        # Alembic takes a while to import and is needed once in the life of a file and schema.
        from livegraft.store.migrations import migrate

        migrate(file)
    return SqliteStore(Database(file))


def _revision(file: Path) -> str | None:
    if not file.exists():
        return None
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None  # no such table, or busy: the migration finds out
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the history {file} cannot be used: {error}; restore a backup, or move it away to begin anew"
        ) from error
    finally:
        if "connection" in locals():
            connection.close()
    return str(row[0]) if row else None
