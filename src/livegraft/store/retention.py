"""What is deleted of the ledgers when it is old, in SQL: each call is one small transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, case, delete, func, select, update

from livegraft import process
from livegraft.run import FINAL_STATES, RunState
from livegraft.runner.output import KEPT
from livegraft.store import ReleaseState, RestraintKind, schema
from livegraft.store.database import Database

_runs = schema.runs.c
_slots = schema.slots.c
_schedules = schema.schedules.c
_releases = schema.releases.c
_versions = schema.versions.c
_audit = schema.audit.c
_bodies = schema.results.c

_MAY_GO: Final = sorted({*FINAL_STATES, RunState.STUCK})
_KEPT_BYTES: Final = KEPT.head_bytes + KEPT.tail_bytes
_STAYS: Final = (ReleaseState.LIVE.value, ReleaseState.LOADING.value)

_BYTES_AT_ONCE: Final = 1 << 20

_SPARE_PAGES: Final = 4_096
"""Free pages that the file keeps for what is written next; of a large one, a tenth."""

_SETTLED: Final = 50
"""So many releases that proved themselves are spared: what a start after a crash falls back to."""

_OUTPUT_BYTES: Final = case((_runs.output_bytes < _KEPT_BYTES, _runs.output_bytes), else_=_KEPT_BYTES)
"""What is kept of a run's output: most of a long one is lost when it is written."""


class SqlRetention:
    """See ``livegraft.store.Retention``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_script(self, after: str) -> str | None:
        names = [select(func.min(column)).where(column > after) for column in (_runs.script, _slots.script)]
        with self._database.reading() as connection:
            found = [connection.execute(name).scalar() for name in names]
        return min((name for name in found if name is not None), default=None)

    def first_kept(self, script: str, runs: int | None, size: int | None, left: Mapping[str, int]) -> str:
        first = ""
        if runs is not None:
            newest = select(_runs.id).where(_runs.script == script).order_by(_runs.id.desc())
            with self._database.reading() as connection:
                first = connection.execute(newest.offset(runs - 1).limit(1)).scalar() or ""
        if size is not None:
            first = max(first, self._first_within(script, size, left))
        return first

    def _first_within(self, script: str, size: int, left: Mapping[str, int]) -> str:
        """The oldest run with which all newer ones have no more bytes than ``size``; "" when all have."""
        body = func.coalesce(func.length(_bodies.body), 0)
        each = _of(script, select(_runs.id, (_OUTPUT_BYTES + body).label("bytes")))
        whole = _of(script, select(func.coalesce(func.sum(_OUTPUT_BYTES + body), 0)))
        with self._database.reading() as connection:
            # Most scripts are far below: then the database adds up, and no row comes here.
            if connection.execute(whole).scalar_one() + sum(left.values()) <= size:
                return ""
            total, first = 0, ""
            for id, count in connection.execute(each.order_by(_runs.id.desc())):
                total += count + left.get(id, 0)
                if total > size:
                    return first or id  # the newest stays, however much it is
                first = id
        return ""

    def trim_runs(
        self, script: str, *, before: str, older_than: datetime | None, after: str, limit: int
    ) -> tuple[Sequence[str], str | None]:
        oldest = select(_runs.id, _runs.queued_at, _runs.state, _runs.process, _OUTPUT_BYTES.label("bytes"))
        oldest = oldest.where(_runs.script == script, _runs.id > after).order_by(_runs.id).limit(limit)
        with self._database.reading() as connection:
            found = _together(connection.execute(oldest).all())
        old = [row for row in found if row.id < before or (older_than is not None and row.queued_at < older_than)]
        ids = [row.id for row in old if row.state in _MAY_GO and not _may_still_end(row.state, row.process)]
        if ids:
            gone = delete(schema.runs).where(_runs.id.in_(ids), _runs.state.in_(_MAY_GO))
            with self._database.writing() as connection:
                connection.execute(gone)
        return ids, found[-1].id if found and len(old) == len(found) else None

    def trim_slots(self, script: str, *, runs: int | None, older_than: datetime | None, limit: int) -> int:
        all_of_it = select(_slots.schedule, _slots.slot_at).where(_slots.script == script)
        with self._database.reading() as connection:
            first = None
            if runs is not None:
                newest = all_of_it.order_by(_slots.slot_at.desc()).offset(runs - 1).limit(1)
                first = (row := connection.execute(newest).first()) and row.slot_at
            oldest = connection.execute(all_of_it.order_by(_slots.slot_at).limit(limit)).all()
            old = [
                (row.schedule, row.slot_at)
                for row in oldest
                if (first and row.slot_at < first) or (older_than and row.slot_at < older_than)
            ]
            until = {schedule: max(at for each, at in old if each == schedule) for schedule, _ in old}
            # The last slot of a schedule is where it counts from; that of one that left is nobody's.
            for schedule in until:
                last = select(func.max(_slots.slot_at)).where(_slots.script == script, _slots.schedule == schedule)
                is_known = select(_schedules.script).where(_schedules.script == script, _schedules.schedule == schedule)
                if connection.execute(is_known).first() is not None:
                    old = [each for each in old if each != (schedule, connection.execute(last).scalar())]
        if not old:
            return 0
        with self._database.writing() as connection:
            for schedule in {schedule for schedule, _ in old}:
                times = [at for each, at in old if each == schedule]
                # Noted with the deletion: what it says went by is not run again, whatever becomes of the clock.
                noted = update(schema.schedules).where(_schedules.script == script, _schedules.schedule == schedule)
                connection.execute(noted.values(trimmed_to=max(times)))
                gone = delete(schema.slots).where(
                    _slots.script == script, _slots.schedule == schedule, _slots.slot_at.in_(times)
                )
                connection.execute(gone)
        return len(old)

    def trim_releases(self, keep: int, limit: int) -> int:
        """Delete releases beyond the newest ``keep``: neither the live one, nor those that proved themselves last."""
        newest = select(_releases.id).order_by(_releases.id.desc()).offset(keep - 1).limit(1)
        with self._database.reading() as connection:
            first = connection.execute(newest).scalar()
            if first is None:
                return 0
            oldest = select(_releases.id).where(_releases.id < first, _releases.state.not_in(_STAYS))
            found = list(connection.execute(oldest.order_by(_releases.id).limit(limit + _SETTLED)).scalars())
            steps = schema.release_steps.c
            settled = select(steps.release_id).where(steps.step == "settled", steps.release_id.in_(found))
            proved = sorted(connection.execute(settled).scalars())[-_SETTLED:]
        ids = [id for id in found if id not in proved][:limit]
        if ids:
            with self._database.writing() as connection:
                connection.execute(delete(schema.releases).where(_releases.id.in_(ids)))
        return len(ids)

    def trim_versions(self, script: str, keep: int) -> int:
        newest = select(_versions.number).where(_versions.script == script)
        newest = newest.order_by(_versions.loaded_at.desc(), _versions.number.desc()).offset(keep)
        pinned = select(schema.restraints.c.key).where(
            schema.restraints.c.kind == RestraintKind.PIN.value, schema.restraints.c.subject == script
        )
        with self._database.reading() as connection:
            found = list(connection.execute(newest).scalars())
            if not found:
                return 0
        with self._database.writing() as connection:
            gone = delete(schema.versions).where(_versions.number.in_(found), _versions.key.not_in(pinned))
            return connection.execute(gone).rowcount

    def trim_audit(self, older_than: datetime, limit: int) -> int:
        oldest = select(_audit.id, _audit.at).order_by(_audit.id).limit(limit)
        with self._database.reading() as connection:
            ids = [row.id for row in connection.execute(oldest) if row.at < older_than]
        if ids:
            with self._database.writing() as connection:
                connection.execute(delete(schema.audit).where(_audit.id.in_(ids)))
        return len(ids)

    def give_back(self, pages: int) -> int:
        with self._database.writing() as connection:
            if connection.dialect.name != "sqlite":
                return 0  # the others do it by themselves

            def number(pragma: str) -> int:
                return int(connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one())

            free = number("freelist_count")
            if free < max(_SPARE_PAGES, number("page_count") // 10):
                return 0
            # One by one: a page goes with each row of the answer, and drivers do not fetch rows without columns.
            for _ in range(pages):
                connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
            return free - number("freelist_count")


def _of(script: str, columns: Select[Any]) -> Select[Any]:
    joined = schema.runs.outerjoin(schema.results, _bodies.run_id == _runs.id)
    return columns.select_from(joined).where(_runs.script == script)


def _together(rows: Sequence[Any]) -> Sequence[Any]:
    """The first of some runs whose output may be deleted at once."""
    total = 0
    for count, row in enumerate(rows, start=1):
        total += row.bytes
        if total > _BYTES_AT_ONCE:
            return rows[:count]
    return rows


def _may_still_end(state: str, of_process: str) -> bool:
    return state == RunState.STUCK and process.is_alive(of_process)
