"""Backfill: a person has the slots of a range run that have no run of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from livegraft.clock import Clock
from livegraft.dispatcher import Dispatcher
from livegraft.errors import ArgumentsError
from livegraft.run import RunRecord, Trigger
from livegraft.schedule import Schedule
from livegraft.store import SlotCause, SlotRecord, Slots, SlotState
from livegraft.work import Work

MOST: Final = 1_000
"""How many slots are run at once at most."""


@dataclass(frozen=True, slots=True)
class MissingSlot:
    """A due time without a run of its own; ``row`` is what became of it, None when it is older than the history."""

    schedule: Schedule
    slot_at: datetime
    row: SlotRecord | None = None


class Backfill:
    """Finds slots without a run, and has them run, oldest first, each when the script is free.

    ``live_work`` tells what runs of a script execute; ``wake`` is called when runs wait.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        dispatcher: Dispatcher,
        clock: Clock,
        live_work: Callable[[str], Work],
        wake: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._dispatcher = dispatcher
        self._clock = clock
        self._live_work = live_work
        self._wake = wake

    def find(self, script: str, first: datetime, last: datetime) -> Sequence[MissingSlot]:
        """The slots from one instant to another, both included, of a script's schedules.

        Slots that the ticker has not decided yet are its own. Raises ArgumentsError for an empty range and for one with
        more than 1,000 slots, and as ``live_work`` does.
        """
        if first > last:
            expected = f"expected the end of the range not to be before its beginning, {first.isoformat()}"
            raise ArgumentsError(script, {"last": f"{expected}, got: {last.isoformat()}; are the two swapped?"})
        schedules = self._live_work(script).header.schedules
        if not schedules:
            raise ArgumentsError(script, {"script": "expected it to have a schedule, it has none"})
        found = [slot for schedule in schedules for slot in islice(self._of(script, schedule, first, last), MOST + 1)]
        if len(found) > MOST:
            raise ArgumentsError(script, {"last": f"expected a range of at most {MOST:,} slots to run, it has more"})
        return sorted(found, key=lambda slot: slot.slot_at)

    def run(self, script: str, slots: Sequence[MissingSlot], *, trigger: Trigger, actor: str) -> Sequence[RunRecord]:
        """Have slots run; those that got a run meanwhile are left out. Raises as ``submit`` does."""
        work, runs = self._live_work(script), []
        for slot in slots:
            prepared = self._dispatcher.prepare(work, trigger=trigger, actor=actor, arguments={}, slot_at=slot.slot_at)
            run = self._dispatcher.put_off(prepared, due_at=slot.slot_at)
            if self._slots.backfill(self._row(script, slot, run, actor), run):
                runs.append(run)
        self._wake()
        return runs

    def _of(self, script: str, schedule: Schedule, first: datetime, last: datetime) -> Iterator[MissingSlot]:
        decided = min(last, self._slots.anchor(script, schedule.id, self._clock.now()))
        rows = {row.slot_at: row for row in self._slots.between(script, schedule.id, first, decided)}
        for slot_at in schedule.between(first - timedelta(microseconds=1), decided):
            row = rows.get(slot_at)
            if row is None or row.state is not SlotState.RAN:
                yield MissingSlot(schedule, slot_at, row)

    def _row(self, script: str, slot: MissingSlot, run: RunRecord, actor: str) -> SlotRecord:
        reason = f"backfilled by {actor}"
        if slot.row is not None:
            reason += f"; {slot.row.state} before: {slot.row.reason}"
        now = self._clock.now()
        return SlotRecord(
            script, slot.schedule.id, slot.slot_at, SlotState.RAN, now, run.id, reason, SlotCause.BACKFILL
        )
