"""The ledger of commits and of the versions they brought, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, Label, Row, Select, bindparam, delete, func, insert, literal, select, update

from livegraft.run import RunFailure
from livegraft.store import (
    COUNTED,
    FIRST_SCRIPTS,
    Outcome,
    ReleaseRecord,
    ReleaseState,
    ScriptOutcome,
    VersionRecord,
    schema,
)
from livegraft.store.database import Database, Upsert

_releases = schema.releases.c
_versions = schema.versions.c
_VERSION_FIELDS = [field.name for field in fields(VersionRecord)]

_VERSIONS_AT_ONCE: Final = 400
_RELEASES_AT_ONCE: Final = 50

_ADD_STEPS: Final = Upsert(schema.release_steps, "release_id", "step", changed=("at",))
# A version that comes back is the newest again, and stays the one that its first revision brought.
_ADD_VERSIONS: Final = Upsert(schema.versions, "script", "key", changed=("loaded_at",))
_SUPERSEDE: Final = (
    update(schema.releases)
    .where(_releases.state == ReleaseState.LIVE.value)
    .values(state=ReleaseState.SUPERSEDED.value)
)

_OF_RELEASE: Final = schema.release_scripts.c.release_id == bindparam("id", type_=Integer)
# "failed" is the first of the words.
_FIRST_SCRIPTS: Final = (
    select(schema.release_scripts)
    .where(_OF_RELEASE)
    .order_by(schema.release_scripts.c.outcome, schema.release_scripts.c.script)
    .limit(bindparam("most", type_=Integer))
)


_BEGAN_AT: Final = (
    select(func.min(schema.release_steps.c.at))
    .where(schema.release_steps.c.release_id == bindparam("id", type_=Integer))
    .scalar_subquery()
)
_BY_AGE: Final = (
    select(
        _versions.script,
        _versions.key,
        func.row_number()
        .over(partition_by=_versions.script, order_by=(_versions.loaded_at.desc(), _versions.number.desc()))
        .label("place"),
    )
    .where(_versions.script.in_(bindparam("scripts", expanding=True)), _versions.loaded_at < _BEGAN_AT)
    .subquery()
)
_NEWEST_BEFORE: Final = select(_BY_AGE.c.script, _BY_AGE.c.key).where(_BY_AGE.c.place == 1)
"""The newest version of some scripts before a release began."""


def _count(outcome: Outcome) -> Label[int]:
    found = select(literal(1, Integer).label("one"))
    found = found.where(_OF_RELEASE, schema.release_scripts.c.outcome == outcome.value).limit(COUNTED)
    return select(func.count()).select_from(found.subquery()).scalar_subquery().label(outcome.value)


_COUNTS: Final = select(*map(_count, Outcome))


class SqlReleases:
    """See ``livegraft.store.Releases``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, release: ReleaseRecord) -> int:
        row = {
            "revision": release.revision,
            "author": release.author,
            "subject": release.subject,
            "committed_at": release.committed_at,
            "state": release.state.value,
            "unchanged": release.unchanged,
            "error": release.error,
        }
        with self._database.writing() as connection:
            added = connection.execute(insert(schema.releases), row).inserted_primary_key
            assert added is not None  # noqa: S101 - one row was inserted
            _add_steps(connection, added[0], release.steps)
            _replace_scripts(connection, added[0], release.scripts)
        return int(added[0])

    def update(
        self,
        id: int,
        *,
        state: ReleaseState | None = None,
        steps: Mapping[str, datetime] | None = None,
        scripts: Sequence[ScriptOutcome] | None = None,
        unchanged: int | None = None,
        error: str | None = None,
    ) -> None:
        given = {"state": state.value if state else None, "unchanged": unchanged, "error": error}
        values = {name: value for name, value in given.items() if value is not None}
        goes_live = state is ReleaseState.LIVE
        with self._database.writing(alone="live release" if goes_live else "") as connection:
            if goes_live:
                connection.execute(_SUPERSEDE)
            if values:
                connection.execute(update(schema.releases).where(_releases.id == id).values(**values))
            _add_steps(connection, id, steps or {})
            if scripts is not None:
                _replace_scripts(connection, id, scripts)

    def get(self, revision: str) -> ReleaseRecord | None:
        wanted = select(schema.releases).where(_releases.revision == revision).order_by(_releases.id.desc()).limit(1)
        return next(iter(self._read(wanted)), None)

    def named(self, revision: str) -> ReleaseRecord | None:
        # Hexadecimal digits: what begins so stands between these two.
        # No index is taken for what is computed: the one by revision has them in order.
        went_live = func.coalesce(_releases.state, "").in_([ReleaseState.LIVE.value, ReleaseState.SUPERSEDED.value])
        begins_so = select(_releases.revision).where(
            _releases.revision >= revision, _releases.revision < revision + "g"
        )
        newest = begins_so.where(went_live).order_by(_releases.revision.desc()).limit(1).scalar_subquery()
        wanted = select(schema.releases).where(_releases.revision == newest, went_live).order_by(_releases.id)
        return next(iter(self._read(wanted.limit(1))), None)

    def keys_before(self, id: int, scripts: Collection[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        wanted, before = set(scripts), id
        # From release to release: what is kept of them has no order by script.
        earlier = select(_releases.id).where(_releases.id < bindparam("before")).order_by(_releases.id.desc())
        earlier = earlier.limit(_RELEASES_AT_ONCE)
        with self._database.reading() as connection:
            while wanted and (ids := connection.scalars(earlier, {"before": before}).all()):
                before = ids[-1]
                for row in connection.execute(_changes(ids)):
                    if row.script in wanted:
                        wanted.remove(row.script)
                        if row.outcome == Outcome.LOADED.value:
                            found[row.script] = row.key
            # Releases are kept for a time, and one that changed a script may be older than all that are.
            left = sorted(wanted)
            for n in range(0, len(left), _VERSIONS_AT_ONCE):
                rows = connection.execute(_NEWEST_BEFORE, {"id": id, "scripts": left[n : n + _VERSIONS_AT_ONCE]})
                found.update((row.script, row.key) for row in rows)
        return found

    def find(
        self, *, before: int | None = None, limit: int = 50, most_scripts: int = FIRST_SCRIPTS
    ) -> Sequence[ReleaseRecord]:
        wanted = select(schema.releases).order_by(_releases.id.desc()).limit(limit)
        return self._read(wanted if before is None else wanted.where(_releases.id < before), most_scripts)

    def live(self, *, most_scripts: int = FIRST_SCRIPTS) -> ReleaseRecord | None:
        wanted = select(schema.releases).where(_releases.state == ReleaseState.LIVE.value).limit(1)
        return next(iter(self._read(wanted, most_scripts)), None)

    def scripts(
        self, id: int, *, outcome: Outcome | None = None, after: str = "", limit: int = 50
    ) -> Sequence[ScriptOutcome]:
        columns = schema.release_scripts.c
        wanted = select(schema.release_scripts).where(columns.release_id == id, columns.script > after)
        if outcome is not None:
            wanted = wanted.where(columns.outcome == outcome.value)
        with self._database.reading() as connection:
            return [_outcome(row) for row in connection.execute(wanted.order_by(columns.script).limit(limit))]

    def settled(self, limit: int = 50) -> Sequence[tuple[str, datetime]]:
        steps = schema.release_steps.c
        last = func.max(steps.at).label("last")
        wanted = select(_releases.revision, last).join(schema.release_steps, steps.release_id == _releases.id)
        wanted = wanted.where(steps.step == "settled").group_by(_releases.revision).order_by(last.desc()).limit(limit)
        with self._database.reading() as connection:
            return [(revision, at) for revision, at in connection.execute(wanted)]

    def add_versions(self, versions: Iterable[VersionRecord]) -> None:
        # By hand: asdict copies each value deeply, and a first release has thousands of versions.
        rows = [{name: getattr(version, name) for name in _VERSION_FIELDS} for version in versions]
        if rows:
            # Processes that load one commit write the same rows: in one order, or they wait for each other.
            rows.sort(key=lambda row: (row["script"], row["key"]))
            with self._database.writing() as connection:
                connection.execute(_ADD_VERSIONS.on(connection), rows)

    def versions(self, script: str, limit: int = 50) -> Sequence[VersionRecord]:
        wanted = select(schema.versions).where(_versions.script == script)
        wanted = wanted.order_by(_versions.loaded_at.desc(), _versions.number.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_version(row) for row in connection.execute(wanted)]

    def version(self, script: str, key: str) -> VersionRecord | None:
        wanted = select(schema.versions).where(_versions.script == script, _versions.key == key)
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return _version(row) if row else None

    def known(self, versions: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], VersionRecord]:
        wanted = list(versions)
        found: dict[tuple[str, str], VersionRecord] = {}
        with self._database.reading() as connection:
            for n in range(0, len(wanted), _VERSIONS_AT_ONCE):
                scripts = [name for name, _ in wanted[n : n + _VERSIONS_AT_ONCE]]
                rows = connection.execute(select(schema.versions).where(_versions.script.in_(scripts)))
                found.update(((row.script, row.key), _version(row)) for row in rows)
        return {version: found[version] for version in wanted if version in found}

    def were_live(self, versions: Iterable[tuple[str, str]]) -> Collection[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        wanted = list(versions)
        keys = {key for _, key in wanted}
        with self._database.reading() as connection:
            for n in range(0, len(wanted), _VERSIONS_AT_ONCE):
                chunk = wanted[n : n + _VERSIONS_AT_ONCE]
                # By script alone: for pairs SQLite reads the whole index, for two lists it tries each with each.
                known = select(_versions.script, _versions.key).where(_versions.script.in_([name for name, _ in chunk]))
                found.update((script, key) for script, key in connection.execute(known) if key in keys)
        return found.intersection(wanted)

    def _read(self, wanted: Any, most_scripts: int | None = None) -> list[ReleaseRecord]:
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
            ids = [row.id for row in rows]
            steps = _by_release(connection, schema.release_steps, ids)
            if most_scripts is None:
                scripts = _by_release(connection, schema.release_scripts, ids)
            else:
                # One after the other: a release of a process that started has every script.
                given = [{"id": id, "most": most_scripts} for id in ids]
                scripts = {each["id"]: list(connection.execute(_FIRST_SCRIPTS, each)) for each in given}
            counts = {id: connection.execute(_COUNTS, {"id": id}).one()._asdict() for id in ids}
        return [_release(row, steps.get(row.id, []), scripts.get(row.id, []), counts[row.id]) for row in rows]


def _changes(ids: Sequence[int]) -> Select[Any]:
    """What some releases did that counts for what is live, the newest first."""
    scripts = schema.release_scripts.c
    wanted = select(scripts.release_id, scripts.script, scripts.outcome, scripts.key)
    return wanted.where(
        scripts.release_id.in_(ids), scripts.outcome.in_([Outcome.LOADED.value, Outcome.REMOVED.value])
    ).order_by(scripts.release_id.desc())


def _add_steps(connection: Connection, id: int, steps: Mapping[str, datetime]) -> None:
    rows = [{"release_id": id, "step": step, "at": at} for step, at in steps.items()]
    if rows:
        connection.execute(_ADD_STEPS.on(connection), rows)


def _replace_scripts(connection: Connection, id: int, scripts: Sequence[ScriptOutcome]) -> None:
    connection.execute(delete(schema.release_scripts).where(schema.release_scripts.c.release_id == id))
    rows = [
        {
            "release_id": id,
            "script": each.script,
            "outcome": each.outcome.value,
            "key": each.key,
            "failure": asdict(each.failure) if each.failure else None,
        }
        for each in scripts
    ]
    if rows:
        connection.execute(insert(schema.release_scripts), rows)


def _by_release(connection: Connection, table: Any, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(select(table).where(table.c.release_id.in_(ids))):
        found.setdefault(row.release_id, []).append(row)
    return found


def _outcome(row: Row[Any]) -> ScriptOutcome:
    return ScriptOutcome(row.script, Outcome(row.outcome), row.key, RunFailure(**row.failure) if row.failure else None)


def _release(
    row: Row[Any], steps: Sequence[Row[Any]], scripts: Sequence[Row[Any]], counts: Mapping[str, int]
) -> ReleaseRecord:
    return ReleaseRecord(
        row.id,
        row.revision,
        row.author,
        row.subject,
        row.committed_at,
        ReleaseState(row.state),
        {step.step: step.at for step in sorted(steps, key=lambda step: step.at)},
        tuple(map(_outcome, sorted(scripts, key=lambda each: (each.outcome, each.script)))),
        row.unchanged,
        row.error,
        {Outcome(outcome): count for outcome, count in counts.items() if count},
    )


def _version(row: Row[Any]) -> VersionRecord:
    return VersionRecord(row.script, row.key, row.revision, row.author, row.subject, row.loaded_at)
