"""The ledger of due times, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Label,
    Row,
    Select,
    Table,
    TextClause,
    Update,
    and_,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    type_coerce,
    update,
)

from livegraft.crash_points import crash_point
from livegraft.run import RunRecord
from livegraft.store import TALLIED, SlotCause, SlotPlace, SlotRecord, SlotState, SlotTally, schema
from livegraft.store.database import Database, InDoubtError, Upsert, certainly
from livegraft.store.runs import ADD_RUN, of_script, refuse_beside_others, run_row

_slots = schema.slots.c
_schedules = schema.schedules.c

_SEE: Final = Upsert(schema.schedules, "script", "schedule")
_CLAIM: Final = Upsert(schema.slots, "script", "schedule", "slot_at")

_PLACE: Final = and_(_schedules.script == bindparam("of_script"), _schedules.schedule == bindparam("of_schedule"))
_DELETED: Final = select(_schedules.script).where(_PLACE, _schedules.trimmed_to >= bindparam("at"))
"""Whether a slot had a row once that was deleted for its age: should the clock ever be set back that far."""

_COUNT: Final = (
    update(schema.schedules)
    .where(_PLACE, or_(_schedules.trimmed_to.is_(None), _schedules.trimmed_to < bindparam("at")))
    .values(counted_to=bindparam("at"))
)
"""Note that all slots up to one are decided, unless that had a row once."""

_STAND: Final = (
    update(schema.schedules).where(_PLACE).values(since_at=bindparam("since"), counted_to=bindparam("counted"))
)


def _tally(*, of_script: bool) -> Select[Any]:
    """The spans, each with how many slots of it are in each state: looked up, up to ``TALLIED`` of each."""
    spans = select(bindparam("first", type_=BigInteger).label("at")).cte("spans", recursive=True)
    step = bindparam("step", type_=BigInteger)
    spans = spans.union_all(select(spans.c.at + step).where(spans.c.at < bindparam("last", type_=BigInteger)))

    def counted(name: str, table: Table, what: ColumnElement[bool] | TextClause) -> Label[int]:
        at = type_coerce(table.c.slot_at, BigInteger)
        found = select(literal(1, Integer).label("one")).select_from(table)
        found = found.where(what, at >= spans.c.at, at < spans.c.at + step).limit(TALLIED).correlate(spans)
        if of_script:
            found = found.where(table.c.script == bindparam("of_script"))
        return select(func.count()).select_from(found.subquery()).scalar_subquery().label(name)

    # As in find(): of one script there are few, in one state there are very many.
    state = func.coalesce(_slots.state, "") if of_script else _slots.state
    became = [counted(each.value, schema.slots, state == each.value) for each in _BECAME]
    return select(spans.c.at, *became, counted("failed", schema.runs, _FAILED))


_BECAME: Final = (SlotState.RAN, SlotState.SKIPPED, SlotState.MISSED)
_FAILED: Final = text(schema.SLOT_FAILED)
_TALLY: Final = _tally(of_script=False)
_TALLY_OF_SCRIPT: Final = _tally(of_script=True)

_AT_ONCE: Final = 1_000


class _Taken(Exception):
    """Another process was first: nothing of this claim stays."""


class SqlSlots:
    """See ``livegraft.store.Slots``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._doubtful: dict[tuple[str, str, datetime], str] = {}

    def anchor(self, script: str, schedule: str, now: datetime) -> datetime:
        return self.anchors([(script, schedule)], now)[script, schedule]

    def anchors(self, schedules: Iterable[tuple[str, str]], now: datetime) -> Mapping[tuple[str, str], datetime]:
        wanted = sorted(schedules)
        if not wanted:
            return {}
        with self._database.writing() as connection:
            rows = _rows(connection, wanted)
            # Processes that load one commit write the same rows: in one order, or they wait for each other.
            if new := [key for key in wanted if key not in rows]:
                seen = [
                    {"script": script, "schedule": schedule, "since_at": now, "counted_to": now}
                    for script, schedule in new
                ]
                connection.execute(_SEE.on(connection), seen)
                rows |= _rows(connection, new)
            found = {key: rows[key].counted_to for key in wanted}
            if behind := [key for key, counted_to in found.items() if counted_to is None or counted_to > now]:
                last = _newest(connection, {script for script, _ in behind}, now)
                since = {key: min(rows[key].since_at, now) for key in behind}
                found |= {key: max(since[key], last.get(key, since[key])) for key in behind}
                # Kept, so that what counts from here on does so after a crash too.
                connection.execute(
                    _STAND, [_place(*key) | {"since": since[key], "counted": found[key]} for key in behind]
                )
        return found

    def claim(
        self, slot: SlotRecord, run: RunRecord | None = None, *, catches_up: bool = False, alone: bool = False
    ) -> bool:
        was_ahead = and_(_slots.state == SlotState.MISSED.value, _slots.decided_at > slot.decided_at)
        return self._write(slot, run, unless=was_ahead, counts=True, catches_up=catches_up, alone=alone)

    def backfill(self, slot: SlotRecord, run: RunRecord) -> bool:
        return self._write(slot, run, unless=_slots.state != SlotState.RAN.value)

    def _write(
        self,
        slot: SlotRecord,
        run: RunRecord | None,
        *,
        unless: ColumnElement[bool],
        counts: bool = False,
        catches_up: bool = False,
        alone: bool = False,
    ) -> bool:
        """Write a slot and its run; False, and nothing is written, when it has a row, ``unless`` that is so.

        With one that ``counts`` the schedule stands there.

        A row that this process wrote without learning that it did is no other's: it gets the run that is given now.
        """
        key = (slot.script, slot.schedule, slot.slot_at)
        unknown = self._doubtful.get(key)
        if run is not None:
            unless = or_(unless, _slots.run_id.in_([run.id, unknown or run.id]))
        try:
            won = certainly(lambda: self._try_to_write(slot, run, unless, counts, catches_up, alone, unknown))
        except InDoubtError:
            if run is not None and run.process:  # one that waits for any process will be begun
                self._doubtful[key] = run.id
            raise
        self._doubtful.pop(key, None)
        return won

    def _try_to_write(
        self,
        slot: SlotRecord,
        run: RunRecord | None,
        unless: ColumnElement[bool],
        counts: bool,
        catches_up: bool,
        alone: bool,
        unknown: str | None,
    ) -> bool:
        slot_key = {"script": slot.script, "schedule": slot.schedule, "slot_at": slot.slot_at}
        place = _place(slot.script, slot.schedule) | {"at": slot.slot_at}
        outcome = {
            "state": slot.state.value,
            "decided_at": slot.decided_at,
            "run_id": run.id if run else slot.run_id,
            "reason": slot.reason,
            "cause": slot.cause.value,
        }
        try:
            with self._database.writing(alone=of_script(slot.script if alone else "")) as connection:
                if run is not None and alone:
                    refuse_beside_others(connection, slot.script, run.process)
                is_noted = counts and connection.execute(_COUNT, place).rowcount
                if not is_noted and connection.execute(_DELETED, place).first() is not None:
                    return False
                if run is not None:
                    connection.execute(ADD_RUN.on(connection), run_row(run))
                    crash_point("slot written half")
                if not connection.execute(_CLAIM.on(connection), slot_key | outcome).rowcount:
                    anew = update(schema.slots).where(_is(slot), unless).values(**outcome)
                    if not connection.execute(anew).rowcount:
                        raise _Taken
                if catches_up and run is not None:
                    connection.execute(_catch_up(slot, run.id))
                if unknown:
                    connection.execute(delete(schema.runs).where(schema.runs.c.id == unknown))
        except _Taken:
            return False
        return True

    def between(self, script: str, schedule: str, first: datetime, last: datetime) -> Sequence[SlotRecord]:
        wanted = select(schema.slots).where(_slots.script == script, _slots.schedule == schedule)
        wanted = wanted.where(_slots.slot_at >= first, _slots.slot_at <= last).order_by(_slots.slot_at)
        with self._database.reading() as connection:
            return [_slot(row) for row in connection.execute(wanted)]

    def tally(self, since: datetime, span: timedelta, count: int, script: str | None = None) -> Sequence[SlotTally]:
        wanted = _TALLY if script is None else _TALLY_OF_SCRIPT
        first, step = schema.microseconds(since), span // timedelta(microseconds=1)
        given = {"first": first, "step": step, "last": first + (count - 1) * step}
        with self._database.reading() as connection:
            rows = connection.execute(wanted, given if script is None else given | {"of_script": script}).all()
        return [SlotTally(schema.instant(row.at), row.ran, row.skipped, row.missed, row.failed) for row in sorted(rows)]

    def forget(self, script: str, schedule: str) -> None:
        gone = delete(schema.schedules).where(_schedules.script == script, _schedules.schedule == schedule)
        with self._database.writing() as connection:
            connection.execute(gone)

    def find(
        self,
        *,
        script: str | None = None,
        states: Iterable[SlotState] = (),
        before: SlotPlace | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> Sequence[SlotRecord]:
        wanted = select(schema.slots).order_by(_slots.slot_at.desc(), _slots.script, _slots.schedule).limit(limit)
        if script is not None:
            wanted = wanted.where(_slots.script == script)
        if names := [state.value for state in states]:
            # No index is taken for what is computed: of one script there are few, in one state there are very many.
            state = _slots.state if script is None else func.coalesce(_slots.state, "")
            wanted = wanted.where(state == names[0] if len(names) == 1 else state.in_(names))
        if since is not None:
            wanted = wanted.where(_slots.slot_at >= since)
        if until is not None:
            wanted = wanted.where(_slots.slot_at < until)
        if before is not None:
            at, after_script, after_schedule = before
            behind = or_(
                _slots.slot_at < at,
                _slots.script > after_script,
                and_(_slots.script == after_script, _slots.schedule > after_schedule),
            )
            wanted = wanted.where(_slots.slot_at <= at, behind)
        with self._database.reading() as connection:
            return [_slot(row) for row in connection.execute(wanted)]


def _place(script: str, schedule: str) -> dict[str, Any]:
    return {"of_script": script, "of_schedule": schedule}


def _rows(
    connection: Connection, schedules: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Row[Any, Any, Any, Any]]:
    """Those of some schedules, and of others of their scripts."""
    known = select(_schedules.script, _schedules.schedule, _schedules.since_at, _schedules.counted_to)
    return {
        (row[0], row[1]): row  # by place: there are thousands at a start
        for scripts in _parts({script for script, _ in schedules})
        for row in connection.execute(known.where(_schedules.script.in_(scripts)))
    }


def _newest(connection: Connection, scripts: set[str], now: datetime) -> dict[tuple[str, str], datetime]:
    """The newest slots of the schedules of some scripts that are not later than ``now``."""
    newest = select(_slots.script, _slots.schedule, func.max(_slots.slot_at).label("slot_at"))
    newest = newest.where(_slots.slot_at <= now).group_by(_slots.script, _slots.schedule)
    return {
        (row.script, row.schedule): row.slot_at
        for part in _parts(scripts)
        for row in connection.execute(newest.where(_slots.script.in_(part)))
    }


def _parts(scripts: set[str]) -> Iterator[list[str]]:
    """So many that a statement may name them all."""
    names = sorted(scripts)
    return (names[begin : begin + _AT_ONCE] for begin in range(0, len(names), _AT_ONCE))


def _is(slot: SlotRecord) -> ColumnElement[bool]:
    return and_(_slots.script == slot.script, _slots.schedule == slot.schedule, _slots.slot_at == slot.slot_at)


def _catch_up(slot: SlotRecord, run_id: str) -> Update:
    """The missed slots right before one get its run."""
    before = and_(_slots.script == slot.script, _slots.schedule == slot.schedule, _slots.slot_at < slot.slot_at)
    missed = _slots.state == SlotState.MISSED.value
    # The newest one that was not missed: one step back on the index, as a rule.
    last = select(_slots.slot_at).where(before, ~missed).order_by(_slots.slot_at.desc()).limit(1).scalar_subquery()
    began = func.coalesce(last, literal(_LONG_AGO, schema.Instant()))
    return (
        update(schema.slots)
        .where(before, missed, _slots.run_id.is_(None), _slots.slot_at > began)
        .values(run_id=run_id)
    )


_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


def _slot(row: Row[Any]) -> SlotRecord:
    columns = dict(row._mapping)
    columns["state"] = SlotState(columns["state"])
    columns["cause"] = SlotCause(columns["cause"])
    return SlotRecord(**columns)
