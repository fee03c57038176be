"""A ledger of slots in memory, and a starter of runs that only notes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.store import SlotPlace, SlotRecord, SlotState, SlotTally

ME: Final = "host:1"
"""The process that runs which are begun at once belong to."""


class MemorySlots:
    """A ``Slots`` ledger with the promise that matters: a slot has one row. ``broken`` makes it fail."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, datetime], SlotRecord] = {}
        self.counted: dict[tuple[str, str], datetime] = {}
        self.broken = False
        self._lock = threading.Lock()

    def anchor(self, script: str, schedule: str, now: datetime) -> datetime:
        return self.anchors([(script, schedule)], now)[script, schedule]

    def anchors(self, schedules: Iterable[tuple[str, str]], now: datetime) -> Mapping[tuple[str, str], datetime]:
        with self._lock:
            self._fail_when_broken()
            return {key: self._anchor(key, now) for key in schedules}

    def claim(
        self, slot: SlotRecord, run: RunRecord | None = None, *, catches_up: bool = False, alone: bool = False
    ) -> bool:
        key = (slot.script, slot.schedule, slot.slot_at)
        with self._lock:
            self._fail_when_broken()
            known = self.rows.get(key)
            if known and (known.state is not SlotState.MISSED or known.decided_at <= slot.decided_at):
                return False
            self.rows[key] = slot
            self.counted[slot.script, slot.schedule] = slot.slot_at
            if catches_up and run is not None:
                self._catch_up(slot, run.id)
            return True

    def _catch_up(self, slot: SlotRecord, run_id: str) -> None:
        earlier = [row for row in self.rows.values() if row.script == slot.script and row.schedule == slot.schedule]
        for row in sorted(earlier, key=lambda row: row.slot_at, reverse=True):
            if row.slot_at < slot.slot_at:
                if row.state is not SlotState.MISSED:
                    return
                self.rows[row.script, row.schedule, row.slot_at] = replace(row, run_id=row.run_id or run_id)

    def backfill(self, slot: SlotRecord, run: RunRecord) -> bool:
        raise NotImplementedError

    def between(self, script: str, schedule: str, first: datetime, last: datetime) -> Sequence[SlotRecord]:
        with self._lock:
            rows = [row for row in self.rows.values() if (row.script, row.schedule) == (script, schedule)]
        return sorted((row for row in rows if first <= row.slot_at <= last), key=lambda row: row.slot_at)

    def forget(self, script: str, schedule: str) -> None:
        with self._lock:
            self._fail_when_broken()
            self.counted.pop((script, schedule), None)

    def tally(self, since: datetime, span: timedelta, count: int, script: str | None = None) -> Sequence[SlotTally]:
        raise NotImplementedError

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
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: row.slot_at, reverse=True)
        return [row for row in rows if script in (None, row.script)][:limit]

    def _anchor(self, key: tuple[str, str], now: datetime) -> datetime:
        if self.counted.setdefault(key, now) > now:
            told = [slot_at for script, schedule, slot_at in self.rows if (script, schedule) == key and slot_at <= now]
            self.counted[key] = max(told, default=now)
        return self.counted[key]

    def _fail_when_broken(self) -> None:
        if self.broken:
            raise StoreError("the disk is full")


class NotingStarter:
    """Notes what the ticker asks of it. ``going`` maps a script to the id of its open run."""

    def __init__(self) -> None:
        self.going: dict[str, str] = {}
        self.refusal: Exception | None = None
        self.launched: list[RunRecord] = []
        self.replaced: list[str] = []
        self.launch_fails = False
        self.on_launch: Callable[[], None] = lambda: None

    def open_run(self, script: str) -> str | None:
        return self.going.get(script) or next((run.id for run in self._waiting(script)), None)

    def waiting(self, script: str) -> int:
        return len(self._waiting(script))

    def prepare(self, script: str, slot_at: datetime, *, waits: bool) -> RunRecord:
        if self.refusal:
            raise self.refusal
        return RunRecord(
            id=new_run_id(),
            script=script,
            key="9f2c1a",
            revision="1a2b3c4d5e6f",
            trigger=Trigger.CRON,
            actor="cron",
            arguments={},
            state=RunState.QUEUED,
            process="" if waits else ME,
            queued_at=slot_at,
            due_at=slot_at if waits else None,
            slot_at=slot_at,
        )

    def launch(self, run: RunRecord) -> None:
        self.launched.append(run)
        self.on_launch()
        if self.launch_fails:
            raise RuntimeError("no thread left")

    def replace(self, run: RunRecord) -> None:
        self.replaced.append(run.script)

    def _waiting(self, script: str) -> list[RunRecord]:
        return [run for run in self.launched if run.script == script and run.waits]
