"""The ledger of shared data, in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, func, or_, select, update

from livegraft.store import SharedLock, SharedName, SharedValue, schema
from livegraft.store.database import Database, Upsert

_names = schema.shared_names.c
_shared = schema.shared.c

_ALIVE: Final = or_(_shared.expires_at.is_(None), _shared.expires_at > bindparam("now"))
_EXPIRED: Final = _shared.expires_at <= bindparam("now")
_OF_NAME: Final = _shared.name == bindparam("of_name")
_AT_KEY: Final = (_OF_NAME, _shared.key == bindparam("at_key"))

_GET: Final[Select[Any]] = select(_shared.key, _shared.value, _shared.changed_at, _shared.expires_at).where(
    *_AT_KEY, _ALIVE
)
_FIND: Final = select(schema.shared).where(_OF_NAME, _ALIVE).order_by(_shared.key)
_KEYS: Final = select(_shared.key).where(_OF_NAME, _ALIVE).order_by(_shared.key)
_DROP: Final = delete(schema.shared).where(*_AT_KEY)
_DROP_ALL: Final = delete(schema.shared).where(_OF_NAME)

_COUNT_NAMES: Final = select(func.count()).select_from(schema.shared_names)
_DROP_HEAD: Final = delete(schema.shared_names).where(_names.name == bindparam("of_name"))

_EXPIRED_COUNT: Final = select(func.count()).select_from(schema.shared).where(_OF_NAME, _EXPIRED).scalar_subquery()
_EXPIRED_BYTES: Final = select(func.sum(_shared.byte_count)).where(_OF_NAME, _EXPIRED)
# One statement for both, because it stands in front of every change.
_HEAD: Final = select(schema.shared_names, _EXPIRED_COUNT.label("expired_count")).where(
    _names.name == bindparam("of_name")
)
_PRUNE_NAME: Final = delete(schema.shared).where(_OF_NAME, _EXPIRED)
# Joined from the names, so that the index by name and expiry answers it.
_EXPIRED_SUMS: Final = (
    select(_names.name, func.count().label("expired_count"), func.sum(_shared.byte_count).label("expired_bytes"))
    .join(schema.shared, _shared.name == _names.name)
    .where(_EXPIRED)
    .group_by(_names.name)
)
_SUBTRACT: Final = (
    update(schema.shared_names)
    .where(_names.name == bindparam("of_name"))
    .values(key_count=_names.key_count - bindparam("keys"), byte_count=_names.byte_count - bindparam("bytes"))
)
_DROP_EMPTY: Final = delete(schema.shared_names).where(
    _names.key_count == 0, or_(_names.lock_until.is_(None), _names.lock_until <= bindparam("now"))
)


def _replacing(table: Table, *keys: str) -> Upsert:
    return Upsert(table, *keys, changed=tuple(column.name for column in table.c if column.name not in keys))


_ALONE: Final = "shared data"
"""Changes wait for each other whatever their name: the counts of all names are kept, and pruned, together."""

_PUT: Final = _replacing(schema.shared, "name", "key")
_PUT_HEAD: Final = _replacing(schema.shared_names, "name")


class SqlShared:
    """See ``livegraft.store.Shared``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str, key: str, now: datetime) -> SharedValue | None:
        row = self._database.glance(_GET, {"of_name": name, "at_key": key, "now": schema.microseconds(now)})
        if row is None:
            return None
        expires_at = None if row[3] is None else schema.instant(row[3])
        return SharedValue(row[0], row[1], schema.instant(row[2]), expires_at)

    def find(
        self, name: str, now: datetime, *, after: str | None = None, limit: int | None = None
    ) -> Sequence[SharedValue]:
        wanted = _FIND if after is None else _FIND.where(_shared.key > after)
        with self._database.reading() as connection:
            return [_value(row) for row in connection.execute(wanted.limit(limit), {"of_name": name, "now": now})]

    def keys(self, name: str, now: datetime) -> Sequence[str]:
        with self._database.reading() as connection:
            return connection.execute(_KEYS, {"of_name": name, "now": now}).scalars().all()

    def names(self, now: datetime, name: str | None = None) -> Sequence[SharedName]:
        heads = select(schema.shared_names).order_by(_names.name)
        expired = _EXPIRED_SUMS
        if name is not None:
            heads, expired = heads.where(_names.name == name), expired.where(_names.name == name)
        with self._database.reading() as connection:
            found = connection.execute(heads).all()
            gone = {row.name: row for row in connection.execute(expired, {"now": now})}
        left = [_left(row, gone.get(row.name)) for row in found]
        return [each for each in left if each.key_count]

    @contextmanager
    def changing(self, name: str, now: datetime) -> Iterator[SqlSharedRows]:
        with self._database.writing(_ALONE) as connection:
            rows = SqlSharedRows(connection, name, now)
            yield rows
            rows.keep()

    def prune(self, now: datetime) -> None:
        with self._database.writing(_ALONE) as connection:
            _prune(connection, now)


class SqlSharedRows:
    """See ``livegraft.store.SharedRows``."""

    def __init__(self, connection: Connection, name: str, now: datetime) -> None:
        self._connection = connection
        self._name, self._now = name, now
        self._of: dict[str, Any] = {"of_name": name}
        self._expired = {**self._of, "now": now}
        self._seen: dict[str, SharedValue | None] = {}
        self._head = head = connection.execute(_HEAD, self._expired).one_or_none()
        self.lock = SharedLock(head.lock_holder, head.lock_until) if head and head.lock_holder else None
        self._lock_before = self.lock
        self._key_count: int = head.key_count if head else 0
        self._byte_count: int = head.byte_count if head else 0
        self._has_changed = False
        if head is None:
            # A new name is rare: the moment to prune those that nobody writes to any more.
            _prune(connection, now)
        elif head.expired_count:
            size = connection.execute(_EXPIRED_BYTES, self._expired).scalar_one()
            connection.execute(_PRUNE_NAME, self._expired)
            self._count(-head.expired_count, -size)

    @property
    def is_new(self) -> bool:
        return self._head is None

    @property
    def key_count(self) -> int:
        return self._key_count

    def name_count(self) -> int:
        return int(self._connection.execute(_COUNT_NAMES).scalar_one())

    def get(self, key: str) -> SharedValue | None:
        if key not in self._seen:
            row = self._connection.execute(_GET, {**self._expired, "at_key": key}).one_or_none()
            self._seen[key] = _value(row) if row else None
        return self._seen[key]

    def put(self, value: SharedValue) -> None:
        if self._head is None and not self._has_changed:
            self._keep_head()
        before = self.get(value.key)
        size = _size(value)
        row = {
            "name": self._name,
            "key": value.key,
            "value": value.text,
            "byte_count": size,
            "changed_at": value.changed_at,
            "expires_at": value.expires_at,
        }
        self._connection.execute(_PUT.on(self._connection), row)
        self._seen[value.key] = value
        self._count(0 if before else 1, size - (_size(before) if before else 0))

    def drop(self, key: str) -> bool:
        before = self.get(key)
        if before is None:
            return False
        self._connection.execute(_DROP, {**self._of, "at_key": key})
        self._seen[key] = None
        self._count(-1, -_size(before))
        return True

    def drop_all(self) -> None:
        self._connection.execute(_DROP_ALL, self._of)
        self._seen.clear()
        self._count(-self._key_count, -self._byte_count)

    def keep(self) -> None:
        """Write the counts and the lock, if they have changed; a name that has neither goes."""
        if self._has_changed or self.lock != self._lock_before:
            if self._key_count or self.lock:
                self._keep_head()
            else:
                self._connection.execute(_DROP_HEAD, self._of)

    def _count(self, keys: int, bytes: int) -> None:
        self._key_count += keys
        self._byte_count += bytes
        self._has_changed = True

    def _keep_head(self) -> None:
        row = {
            "name": self._name,
            "key_count": self._key_count,
            "byte_count": self._byte_count,
            "changed_at": self._now if self._has_changed or self._head is None else self._head.changed_at,
            "lock_holder": self.lock.holder if self.lock else None,
            "lock_until": self.lock.until if self.lock else None,
        }
        self._connection.execute(_PUT_HEAD.on(self._connection), row)


def _prune(connection: Connection, now: datetime) -> None:
    for row in connection.execute(_EXPIRED_SUMS, {"now": now}).all():
        of = {"of_name": row.name}
        connection.execute(_PRUNE_NAME, {**of, "now": now})
        connection.execute(_SUBTRACT, {**of, "keys": row.expired_count, "bytes": row.expired_bytes})
    connection.execute(_DROP_EMPTY, {"now": now})


def _left(head: Row[Any], gone: Row[Any] | None) -> SharedName:
    keys, size = (gone.expired_count, gone.expired_bytes) if gone else (0, 0)
    return SharedName(head.name, head.key_count - keys, head.byte_count - size, head.changed_at)


def _value(row: Row[Any]) -> SharedValue:
    return SharedValue(row.key, row.value, row.changed_at, row.expires_at)


def _size(value: SharedValue) -> int:
    return len(value.text.encode())
