"""The ledger of the processes that share a history, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from livegraft.store import ReplicaRecord, schema
from livegraft.store.database import Database

_replicas = schema.replicas.c


class SqlReplicas:
    """See ``livegraft.store.Replicas``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, replica: ReplicaRecord) -> None:
        with self._database.writing() as connection:
            connection.execute(insert(schema.replicas), asdict(replica))

    def beat(self, identity: str, at: datetime, revision: str, address: str) -> bool:
        told = update(schema.replicas).where(_replicas.identity == identity)
        told = told.values(beats=_replicas.beats + 1, beat_at=at, revision=revision, address=address)
        with self._database.writing() as connection:
            return connection.execute(told).rowcount == 1

    def drop(self, identity: str) -> bool:
        with self._database.writing() as connection:
            return connection.execute(delete(schema.replicas).where(_replicas.identity == identity)).rowcount == 1

    def all(self) -> Sequence[ReplicaRecord]:
        with self._database.reading() as connection:
            rows = connection.execute(select(schema.replicas).order_by(_replicas.started_at, _replicas.identity))
            return [ReplicaRecord(**row._mapping) for row in rows]
