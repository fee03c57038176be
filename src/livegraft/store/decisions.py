"""The ledgers of what people decided: restraints in force, and the audit of every change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from livegraft.store import AuditFilter, AuditFound, AuditRecord, Restraint, RestraintKind, schema
from livegraft.store.database import Database, Upsert
from livegraft.store.search import OneOf, find_rows

_restraints = schema.restraints.c
_audit = schema.audit.c

_PUT: Final = Upsert(schema.restraints, "kind", "subject", changed=("actor", "at", "reason", "key", "revision"))


class SqlRestraints:
    """See ``livegraft.store.Restraints``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, *restraints: Restraint) -> None:
        rows = [asdict(each) | {"kind": each.kind.value} for each in restraints]
        with self._database.writing() as connection:
            connection.execute(_PUT.on(connection), rows)

    def drop(self, kind: RestraintKind, *subjects: str) -> bool:
        gone = delete(schema.restraints).where(_restraints.kind == kind.value)
        with self._database.writing() as connection:
            return bool(connection.execute(gone.where(_restraints.subject.in_(subjects))).rowcount)

    def all(self) -> Sequence[Restraint]:
        with self._database.reading() as connection:
            rows = connection.execute(select(schema.restraints)).all()
        return [Restraint(**{**row._mapping, "kind": RestraintKind(row.kind)}) for row in rows]


class SqlAudit:
    """See ``livegraft.store.Audit``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        row = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": dict(detail)}
        with self._database.writing() as connection:
            connection.execute(insert(schema.audit), row)

    def find(
        self, *, action: str | None = None, subject: str | None = None, before: int | None = None, limit: int = 50
    ) -> Sequence[AuditRecord]:
        wanted = select(schema.audit).order_by(_audit.id.desc()).limit(limit)
        if action is not None:
            wanted = wanted.where(_audit.action == action)
        if subject is not None:
            wanted = wanted.where(_audit.subject == subject)
        if before is not None:
            wanted = wanted.where(_audit.id < before)
        with self._database.reading() as connection:
            return [AuditRecord(**row._mapping) for row in connection.execute(wanted)]

    def search(self, which: AuditFilter, *, before: int | None = None, limit: int = 50) -> AuditFound:
        asked = ((_audit.actor, which.actor), (_audit.action, which.action), (_audit.subject, which.subject))
        leads = [OneOf(column, [value]) for column, value in asked if value]
        with self._database.reading() as connection:
            span = [_audit.id < before] if before is not None else []
            if which.until:
                span.append(_audit.id <= (_last_id(connection, which.until) or 0))
            if which.since and (earlier := _last_id(connection, which.since)) is not None:
                span.append(_audit.id > earlier)
            page = find_rows(connection, select(schema.audit), _audit.id, 0, leads=leads, span=span, limit=limit)
        return AuditFound([AuditRecord(**row._mapping) for row in page.rows], page.behind)


def _last_id(connection: Connection, until: datetime) -> int | None:
    """Of the rows before an instant. Ids grow with the time."""
    last = select(_audit.id).where(_audit.at < until).order_by(_audit.at.desc(), _audit.id.desc()).limit(1)
    found: int | None = connection.execute(last).scalar()
    return found
