"""The ledger of due times, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, func, select

from livegraft.run import RunRecord
from livegraft.store import SlotRecord, SlotState, schema
from livegraft.store.database import Database, Upsert
from livegraft.store.runs import ADD_RUN, run_row

_slots = schema.slots.c
_schedules = schema.schedules.c

_SEE: Final = Upsert(schema.schedules, "script", "schedule")
_CLAIM: Final = Upsert(schema.slots, "script", "schedule", "slot_at")


_DELETED: Final = select(_schedules.script).where(
    _schedules.script == bindparam("script"),
    _schedules.schedule == bindparam("schedule"),
    _schedules.trimmed_to >= bindparam("slot_at"),
)
"""Whether a slot had a row once that was deleted for its age: should the clock ever be set back that far."""


class _Taken(Exception):
    """Another process was first: nothing of this claim stays."""


class SqlSlots:
    """See ``livegraft.store.Slots``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def anchor(self, script: str, schedule: str, now: datetime) -> datetime:
        return self.anchors([(script, schedule)], now)[script, schedule]

    def anchors(self, schedules: Iterable[tuple[str, str]], now: datetime) -> Mapping[tuple[str, str], datetime]:
        wanted = list(schedules)
        # Processes that load one commit write the same rows: in one order, or they wait for each other.
        rows = [{"script": script, "schedule": schedule, "since_at": now} for script, schedule in sorted(wanted)]
        since: dict[tuple[str, str], datetime] = {}
        last: dict[tuple[str, str], datetime] = {}
        if not rows:
            return {}
        with self._database.writing() as connection:
            connection.execute(_SEE.on(connection), rows)
            scripts = {script for script, _ in wanted}
            for row in connection.execute(select(schema.schedules).where(_schedules.script.in_(scripts))):
                since[row.script, row.schedule] = row.since_at
            newest = select(_slots.script, _slots.schedule, func.max(_slots.slot_at).label("slot_at"))
            newest = newest.where(_slots.script.in_(scripts))
            for row in connection.execute(newest.group_by(_slots.script, _slots.schedule)):
                last[row.script, row.schedule] = row.slot_at
        return {key: max(since[key], last.get(key, since[key])) for key in wanted}

    def claim(self, slot: SlotRecord, run: RunRecord | None = None) -> bool:
        row = {
            "script": slot.script,
            "schedule": slot.schedule,
            "slot_at": slot.slot_at,
            "state": slot.state.value,
            "decided_at": slot.decided_at,
            "run_id": run.id if run else slot.run_id,
            "reason": slot.reason,
        }
        try:
            with self._database.writing() as connection:
                if connection.execute(_DELETED, row).first() is not None:
                    return False
                if run is not None:
                    connection.execute(ADD_RUN.on(connection), run_row(run))
                if not connection.execute(_CLAIM.on(connection), row).rowcount:
                    raise _Taken
        except _Taken:
            return False
        return True

    def forget(self, script: str, schedule: str) -> None:
        gone = delete(schema.schedules).where(_schedules.script == script, _schedules.schedule == schedule)
        with self._database.writing() as connection:
            connection.execute(gone)

    def find(self, *, script: str | None = None, limit: int = 50) -> Sequence[SlotRecord]:
        wanted = select(schema.slots).order_by(_slots.slot_at.desc()).limit(limit)
        if script is not None:
            wanted = wanted.where(_slots.script == script)
        with self._database.reading() as connection:
            return [_slot(row) for row in connection.execute(wanted)]


def _slot(row: Row[Any]) -> SlotRecord:
    return SlotRecord(
        row.script, row.schedule, row.slot_at, SlotState(row.state), row.decided_at, row.run_id, row.reason
    )
