"""The store over a database in SQL."""

from __future__ import annotations

from livegraft.store.database import Database
from livegraft.store.decisions import SqlAudit, SqlRestraints
from livegraft.store.releases import SqlReleases
from livegraft.store.replicas import SqlReplicas
from livegraft.store.retention import SqlRetention
from livegraft.store.runs import SqlRuns
from livegraft.store.shared import SqlShared
from livegraft.store.slots import SqlSlots


class SqlStore:
    """See ``livegraft.store.Store``."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runs = SqlRuns(database)
        self.releases = SqlReleases(database)
        self.slots = SqlSlots(database)
        self.restraints = SqlRestraints(database)
        self.audit = SqlAudit(database)
        self.shared = SqlShared(database)
        self.retention = SqlRetention(database)
        self.replicas = SqlReplicas(database)

    def check(self) -> None:
        self.database.check()

    def size(self) -> int:
        return self.database.size()

    def close(self) -> None:
        self.database.close()
