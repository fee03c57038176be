"""What became of the due times of the last weeks, hour by hour, and of their runs: a calendar, written as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from livegraft.store import TALLIED, SlotTally

DAYS: Final = 14
HOURS: Final = 24
HOUR: Final = timedelta(hours=1)

_STEPS: Final = (1, 4, 20)
"""From so many slots on that ran, or whose runs failed, a cell is darker."""

_KINDS: Final = ("ran", "failed", "skipped", "missed")


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour: its ``place`` in an address, the class of its colour, its sign, and all of it in words."""

    place: str
    look: str
    sign: str
    said: str


@dataclass(frozen=True, slots=True)
class Day:
    """``cells`` are None where nothing was due; after the present hour there are none at all.

    ``look`` is "failed" when a run of it did.
    """

    place: str
    name: str
    look: str
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
    counts = SlotTally(at, **{kind: sum(getattr(each, kind) for each in tallies) for kind in _KINDS})
    look = "failed" if counts.failed else ""
    return Day(f"{at:%Y-%m-%d}", f"{at:%a} {at.day} {at:%b}", look, _counts(counts), [_cell(each) for each in tallies])


def _cell(tally: SlotTally) -> Cell | None:
    if not (tally.ran or tally.skipped or tally.missed):
        return None
    look, sign = f"ran {_step(tally.ran)}", ""
    if tally.failed:
        look, sign = f"failed {_step(tally.failed)}", "\N{MULTIPLICATION SIGN}"
    elif tally.missed:
        look, sign = "missed", "!"
    elif tally.skipped:
        look, sign = "skipped", "-"
    at = tally.since
    said = f"{at:%a} {at.day} {at:%b}, {at:%H:%M} UTC: {_counts(tally)}"
    return Cell(f"{at:%Y-%m-%dT%H}", look, sign, said)


def _step(count: int) -> str:
    return f"step-{sum(count >= each for each in _STEPS)}"


def _counts(tally: SlotTally) -> str:
    """Failed ones among those that ran: "5 ran (2 failed), 1 missed"."""
    failed = f" ({_count(tally.failed)} failed)" if tally.failed else ""
    said = {"ran": tally.ran, "skipped": tally.skipped, "missed": tally.missed}
    counts = [f"{_count(count)} {kind}{failed if kind == 'ran' else ''}" for kind, count in said.items() if count]
    return ", ".join(counts) or "nothing due"


def _count(count: int) -> str:
    return f"{count} and more" if count >= TALLIED else str(count)
