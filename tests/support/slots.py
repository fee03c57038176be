"""A ledger of slots in memory, and a starter of runs that only notes them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.schedule import Schedule
from livegraft.store import SlotRecord


class MemorySlots:
    """A ``Slots`` ledger with the promise that matters: a slot has one row. ``broken`` makes it fail."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, datetime], SlotRecord] = {}
        self.seen: dict[tuple[str, str], datetime] = {}
        self.refused: Counter[tuple[str, str, datetime]] = Counter()
        self.broken = False
        self._lock = threading.Lock()

    def anchor(self, script: str, schedule: str, now: datetime) -> datetime:
        return self.anchors([(script, schedule)], now)[script, schedule]

    def anchors(self, schedules: Iterable[tuple[str, str]], now: datetime) -> Mapping[tuple[str, str], datetime]:
        with self._lock:
            self._fail_when_broken()
            return {key: max(self._slots_of(key, now)) for key in schedules}

    def claim(self, slot: SlotRecord, run: RunRecord | None = None) -> bool:
        key = (slot.script, slot.schedule, slot.slot_at)
        with self._lock:
            self._fail_when_broken()
            if key in self.rows:
                self.refused[key] += 1
                return False
            self.rows[key] = slot
            return True

    def forget(self, script: str, schedule: str) -> None:
        with self._lock:
            self._fail_when_broken()
            self.seen.pop((script, schedule), None)

    def find(self, *, script: str | None = None, limit: int = 50) -> Sequence[SlotRecord]:
        with self._lock:
            rows = sorted(self.rows.values(), key=lambda row: row.slot_at, reverse=True)
        return [row for row in rows if script in (None, row.script)][:limit]

    def _slots_of(self, key: tuple[str, str], now: datetime) -> Sequence[datetime]:
        seen_at = self.seen.setdefault(key, now)
        return [seen_at, *(slot_at for script, schedule, slot_at in self.rows if (script, schedule) == key)]

    def _fail_when_broken(self) -> None:
        if self.broken:
            raise StoreError("the disk is full")


class NotingStarter:
    """Notes what the ticker asks of it. ``going`` maps a script to the id of its open run."""

    def __init__(self) -> None:
        self.going: dict[str, str] = {}
        self.refusal: Exception | None = None
        self.launched: list[RunRecord] = []
        self.launch_fails = False

    def open_run(self, script: str) -> str | None:
        return self.going.get(script)

    def prepare(self, script: str, schedule: Schedule, slot_at: datetime) -> RunRecord:
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
            process="host:1",
            queued_at=slot_at,
        )

    def launch(self, run: RunRecord) -> None:
        self.launched.append(run)
        if self.launch_fails:
            raise RuntimeError("no thread left")
