"""What becomes of the slots of one schedule that have come due: which run, which are missed, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from livegraft.header import Missed
from livegraft.schedule import Schedule

GRACE: Final = timedelta(minutes=1)
"""A slot noticed less than this after its time is on time: a restart of the host in between is no miss."""

MAX_MISSED_ROWS: Final = 1_000
"""How many missed slots of a schedule get a row of their own; the oldest of these rows tells of the others."""

MAX_COUNTED: Final = 10_000
"""How far slots without a row of their own are counted."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Which missed slots run after all: by ``missed``, none that is older than ``window``, at most ``limit``."""

    missed: Missed = Missed.LATEST
    window: timedelta = timedelta(days=7)
    limit: int = 100

    def first_to_run(self, ages: Sequence[timedelta]) -> int:
        """The index of the first slot that runs, among due ones of these ages, oldest first."""
        late = sum(age >= GRACE for age in ages)
        too_old = sum(age >= GRACE and age > self.window for age in ages)
        match self.missed:
            case Missed.SKIP:
                return late
            case Missed.LATEST:
                return max(0, too_old, len(ages) - 1)
            case Missed.ALL:
                return max(too_old, late - self.limit)

    def reason(self, age: timedelta) -> str:
        """Why a slot of this age is not caught up."""
        if self.missed is Missed.SKIP:
            return "missed = 'skip' runs no late slot"
        if age > self.window:
            return f"it is older than the {_shown(self.window)} within which slots are caught up"
        if self.missed is Missed.LATEST:
            return "missed = 'latest' runs the newest slot only"
        return f"missed = 'all' runs the newest {self.limit} slots only"


DEFAULT: Final = CatchUp()


@dataclass(frozen=True, slots=True)
class DueSlot:
    """One slot that is due. ``missed_reason`` is "" when it is to run; ``late`` when it is past the grace."""

    slot_at: datetime
    late: bool
    missed_reason: str = ""


Decided = Callable[[datetime, datetime], Collection[datetime]]
"""Which slots of a schedule are decided already, from one instant to another, both included."""


def due_slots(
    schedule: Schedule, after: datetime, now: datetime, catch_up: CatchUp, decided: Decided
) -> Iterator[DueSlot]:
    """The slots with ``after < slot <= now``, oldest first, so that who dies among them can go on after them.

    Of several those that are ``decided`` are left out: the clock was set back, or another process was faster. One alone
    is not asked for, who claims it learns it.
    """
    most = MAX_MISSED_ROWS + catch_up.limit
    slots = _newest(schedule, after, now, most, decided)
    first_to_run = catch_up.first_to_run([now - slot_at for slot_at in slots])
    lost = slots[:first_to_run][-MAX_MISSED_ROWS:]
    for slot_at in lost:
        age = now - slot_at
        reason = f"noticed {_shown(age)} late; {catch_up.reason(age)}"
        if slot_at == lost[0] and (len(slots) == most or len(lost) < first_to_run):
            reason += _without_row(schedule, after, slot_at, decided)
        yield DueSlot(slot_at, late=True, missed_reason=reason)
    for slot_at in slots[first_to_run:]:
        yield DueSlot(slot_at, late=now - slot_at >= GRACE)


def _without_row(schedule: Schedule, after: datetime, before: datetime, decided: Decided) -> str:
    """What the row of one missed slot says of the earlier ones, which have none."""
    earlier = _open(list(islice(schedule.between(after, before), MAX_COUNTED + 1))[:-1], decided)
    if not earlier:
        return ""
    count = f"more than {MAX_COUNTED - 1}" if len(earlier) == MAX_COUNTED else str(len(earlier))
    return f"; it stands for {count} earlier slots too, from {earlier[0]:%Y-%m-%d %H:%M} UTC on"


def _shown(lateness: timedelta) -> str:
    return str(timedelta(seconds=int(lateness.total_seconds())))


def _open(slots: list[datetime], decided: Decided) -> list[datetime]:
    """Those of some slots, oldest first, that are to be decided."""
    known = decided(slots[0], slots[-1]) if len(slots) > 1 else ()
    return [slot_at for slot_at in slots if slot_at not in known] if known else slots


def _newest(schedule: Schedule, after: datetime, until: datetime, limit: int, decided: Decided) -> list[datetime]:
    """The newest slots to decide in ``after < slot <= until``, oldest first; the work does not grow with the outage."""
    window = timedelta(hours=1)
    while True:
        begin = max(after, until - window) if until - after > window else after
        slots = _open(list(schedule.between(begin, until)), decided)
        if len(slots) >= limit or begin == after:
            return slots[-limit:]
        window *= 4
