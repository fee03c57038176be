"""What became of the due times of the last weeks, hour by hour, as a calendar that is written as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from livegraft.store import TALLIED, SlotState, SlotTally

DAYS: Final = 14
HOURS: Final = 24
HOUR: Final = timedelta(hours=1)

_STEPS: Final = (1, 4, 20)
"""From so many slots on that ran a cell is darker."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour: its ``place`` in an address, the class of its colour, its sign, and all of it in words."""

    place: str
    look: str
    sign: str
    said: str


@dataclass(frozen=True, slots=True)
class Day:
    """``cells`` are None where nothing was due; after the present hour there are none at all."""

    place: str
    name: str
    said: str
    cells: Sequence[Cell | None]


def first_hour(now: datetime) -> datetime:
    """Where the calendar begins."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)


def hour_count(now: datetime) -> int:
    """How many hours it has, the present one too."""
    return (DAYS - 1) * HOURS + now.hour + 1


def calendar(tallies: Sequence[SlotTally]) -> Sequence[Day]:
    """The newest day first; () when nothing was due in all that time."""
    if not any(each.ran or each.skipped or each.missed for each in tallies):
        return ()
    return [_day(each) for each in _days(tallies)][::-1]


def _days(tallies: Sequence[SlotTally]) -> list[Sequence[SlotTally]]:
    return [tallies[n : n + HOURS] for n in range(0, len(tallies), HOURS)]


def _day(tallies: Sequence[SlotTally]) -> Day:
    at = tallies[0].since
    counts = SlotTally(at, *(sum(getattr(each, state) for each in tallies) for state in SlotState))
    return Day(f"{at:%Y-%m-%d}", f"{at:%a} {at.day} {at:%b}", _counts(counts), [_cell(each) for each in tallies])


def _cell(tally: SlotTally) -> Cell | None:
    if not (tally.ran or tally.skipped or tally.missed):
        return None
    step = sum(tally.ran >= each for each in _STEPS)
    look, sign = (f"ran step-{step}", "")
    if tally.skipped:
        look, sign = "skipped", "-"
    if tally.missed:
        look, sign = "missed", "!"
    at = tally.since
    said = f"{at:%a} {at.day} {at:%b}, {at:%H:%M} UTC: {_counts(tally)}"
    return Cell(f"{at:%Y-%m-%dT%H}", look, sign, said)


def _counts(tally: SlotTally) -> str:
    counts = [(getattr(tally, state), state) for state in SlotState]
    return ", ".join(f"{_count(count)} {state}" for count, state in counts if count) or "nothing due"


def _count(count: int) -> str:
    return f"{count} and more" if count >= TALLIED else str(count)
