"""The tables of the history. Constraints carry correctness: one row a slot, one end a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

NEWEST: Final = "0013"
"""The revision of the schema that stands here (see ``migrations/versions``)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """An aware datetime as it is kept: microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def instant(kept: int) -> datetime:
    """The reverse, in UTC."""
    return _EPOCH + kept * _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as microseconds since 1970: sorts and compares alike in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else instant(value)


class Words(TypeDecorator[str]):
    """Text, compared by its bytes in every database. A NUL, which PostgreSQL does not take, is kept as U+FFFD."""

    impl = Text().with_variant(Text(collation="C"), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\ufffd") if value and "\0" in value else value


class Json(TypeDecorator[Any]):
    """A JSON value, kept as text; None stays NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData()

WAITING: Final = "state = 'queued' AND process = ''"
"""Of runs: those that no process has yet."""

SLOT_FAILED: Final = "slot_at IS NOT NULL AND coalesce(state, '') IN ('failed', 'timed out', 'stuck', 'lost')"
"""Of runs: those of a slot that did not do what was asked. The index by state is not taken for what is computed."""

_EXPIRES: Final = text("expires_at IS NOT NULL")

runs = Table(
    "runs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("script", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("revision", Words, nullable=False),
    Column("trigger", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("arguments", Json, nullable=False),
    Column("state", Words, nullable=False),
    Column("process", Words, nullable=False),
    Column("queued_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("result", Json),
    Column("failure", Json),
    Column("output_bytes", BigInteger, nullable=False, default=0),
    Column("origin", Words),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("due_at", Instant),
    Column("request", Words),
    Column("slot_at", Instant),
    Column("turn_group", Words, nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, server_default="0"),
    Index("runs_by_actor", "actor", "id"),
    Index("runs_by_origin", "origin", "id"),
    Index("runs_by_request", "script", "request", unique=True),
    Index("runs_by_script", "script", "id"),
    Index("runs_by_state", "state", "id"),
    Index("runs_by_trigger", "trigger", "id"),
    Index("runs_failed_by_slot", "slot_at", sqlite_where=text(SLOT_FAILED), postgresql_where=text(SLOT_FAILED)),
    Index(
        "runs_failed_by_script",
        "script",
        "slot_at",
        sqlite_where=text(SLOT_FAILED),
        postgresql_where=text(SLOT_FAILED),
    ),
    Index("runs_waiting", "due_at", sqlite_where=text(WAITING), postgresql_where=text(WAITING)),
)

cancels = Table(
    "cancels",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
)

replicas = Table(
    "replicas",
    metadata,
    Column("identity", Words, primary_key=True),
    Column("host", Words, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("beat_at", Instant, nullable=False),
    Column("beats", BigInteger, nullable=False),
    Column("address", Words, nullable=False),
    Column("revision", Words, nullable=False),
    Column("livegraft", Words, nullable=False),
    Column("python", Words, nullable=False),
)

output = Table(
    "output",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

output_marks = Table(
    "output_marks",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("revision", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("committed_at", Instant, nullable=False),
    Column("state", Words, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("error", Words, nullable=False),
    Index("releases_by_revision", "revision", "id"),
    Index("releases_by_state", "state"),
)

release_steps = Table(
    "release_steps",
    metadata,
    Column("release_id", Integer, ForeignKey("releases.id", ondelete="CASCADE"), primary_key=True),
    Column("step", Words, primary_key=True),
    Column("at", Instant, nullable=False),
)

release_scripts = Table(
    "release_scripts",
    metadata,
    Column("release_id", Integer, ForeignKey("releases.id", ondelete="CASCADE"), primary_key=True),
    Column("script", Words, primary_key=True),
    Column("outcome", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("failure", Json),
    Index("release_scripts_by_outcome", "release_id", "outcome", "script"),
)

versions = Table(
    "versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("script", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("revision", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("loaded_at", Instant, nullable=False),
    Index("versions_once", "script", "key", unique=True),
    Index("versions_by_time", "script", "loaded_at"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("script", Words, primary_key=True),
    Column("schedule", Words, primary_key=True),
    Column("since_at", Instant, nullable=False),
    Column("trimmed_to", Instant),
    Column("counted_to", Instant),
)

slots = Table(
    "slots",
    metadata,
    Column("script", Words, primary_key=True),
    Column("schedule", Words, primary_key=True),
    Column("slot_at", Instant, primary_key=True),
    Column("state", Words, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("run_id", Words, ForeignKey("runs.id", ondelete="SET NULL")),
    Column("reason", Words, nullable=False),
    Column("cause", Words, nullable=False, server_default=""),
    Index("slots_by_script", "script", "slot_at"),
    Index("slots_by_time", "slot_at"),
    Index("slots_by_state", "state", "slot_at"),
    Index("slots_by_run", "run_id"),
)

restraints = Table(
    "restraints",
    metadata,
    Column("kind", Words, primary_key=True),
    Column("subject", Words, primary_key=True),
    Column("actor", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("revision", Words, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("actor", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("detail", Json, nullable=False),
    Index("audit_by_action", "action", "id"),
    Index("audit_by_actor", "actor", "id"),
    Index("audit_by_subject", "subject", "id"),
    Index("audit_by_time", "at", "id"),
)

shared_names = Table(
    "shared_names",
    metadata,
    Column("name", Words, primary_key=True),
    Column("key_count", Integer, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("lock_holder", Words),
    Column("lock_until", Instant),
)

shared = Table(
    "shared",
    metadata,
    Column("name", Words, ForeignKey("shared_names.name", ondelete="CASCADE"), primary_key=True),
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
    Column("byte_count", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Index("shared_by_expiry", "name", "expires_at", sqlite_where=_EXPIRES, postgresql_where=_EXPIRES),
)
