"""What Debian's cron would run, found minute by minute: an oracle that shares no code with the schedules.

Written from cron(8) and crontab(5) as Debian has them. cron wakes each minute and looks at the clock on the wall. A
line whose minute or hour begins with ``*`` runs when the wall clock reads a time that it names, however often. Any
other runs for each minute that the wall clock passed since its highest reading: after a jump forward what was jumped
over runs at once, and after a jump back nothing runs until the clock is beyond where it was. (cron gives that up for
jumps of more than three hours; livegraft and cronsim do not, and no zone's clocks do that in the years compared.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

MINUTE: Final = timedelta(minutes=1)
EPOCH: Final = datetime(1970, 1, 1)

MONTHS: Final = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS: Final = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

Slots = Callable[[str, str, datetime, datetime], Iterator[datetime]]
"""The side that is compared: the slots of a line in a zone, behind an instant and up to another."""

Minutes = Any
"""An array of minutes since 1970."""


@dataclass(frozen=True)
class Line:
    """The five fields of a line as tables: whether the value at that place is named."""

    minutes: Minutes
    hours: Minutes
    days: Minutes
    months: Minutes
    weekdays: Minutes
    needs_both_days: bool
    is_wild: bool


@cache
def line(cron: str) -> Line:
    minute, hour, day, month, weekday = cron.split()
    weekdays = table(weekday, 0, 7, DAYS)
    weekdays[0] = weekdays[7] = weekdays[0] or weekdays[7]
    return Line(
        table(minute, 0, 59),
        table(hour, 0, 23),
        table(day, 1, 31),
        table(month, 1, 12, ["", *MONTHS]),
        weekdays,
        # Debian: a day must fit both fields when one begins with a star, else either.
        needs_both_days=day[0] == "*" or weekday[0] == "*",
        is_wild=minute[0] == "*" or hour[0] == "*",
    )


def table(field: str, first: int, last: int, names: Sequence[str] = ()) -> Minutes:
    def number(text: str) -> int:
        return names.index(text) if text in names else int(text)

    named = np.zeros(last + 1, dtype=bool)
    for term in field.split(","):
        span, _, step = term.partition("/")
        if span == "*":
            begin, end = first, last
        elif "-" in span:
            begin, end = map(number, span.split("-"))
        else:
            begin = end = number(span)
        named[begin : end + 1 : int(step or 1)] = True
    return named


class Window:
    """The minutes of a zone between two instants (whole minutes, UTC), as its wall clock reads them."""

    def __init__(self, zone: str, begin: datetime, end: datetime) -> None:
        tz = ZoneInfo(zone)
        count = (end - begin) // MINUTE + 1
        self.begin = begin
        instants = [begin + index * MINUTE for index in range(count)]
        self.local = np.array([(at.astimezone(tz).replace(tzinfo=None) - EPOCH) // MINUTE for at in instants])
        # For lines that are not wild: each minute that was passed, and where the clock first was at it or beyond.
        highest = np.maximum.accumulate(self.local)
        self.passed = np.arange(self.local[0], highest[-1] + 1)
        self.reached = np.searchsorted(highest, self.passed, side="left")
        self._of_local, self._of_passed = Readings(self.local), Readings(self.passed)

    def fires(self, cron: str) -> list[datetime]:
        """When the line runs in the window, its begin left out."""
        fields = line(cron)
        if fields.is_wild:
            found = np.nonzero(self._of_local.named(fields))[0]
        else:
            found = np.unique(self.reached[self._of_passed.named(fields)])
        return [self.begin + int(index) * MINUTE for index in found if index > 0]


class Readings:
    """Readings of a wall clock, taken apart."""

    def __init__(self, local: Minutes) -> None:
        dates = local // 1440
        calendar = [(EPOCH + timedelta(days=int(date))) for date in np.unique(dates)]
        place = np.searchsorted(np.unique(dates), dates)
        self.minute, self.hour = local % 60, local % 1440 // 60
        self.day = np.array([each.day for each in calendar])[place]
        self.month = np.array([each.month for each in calendar])[place]
        self.weekday = np.array([each.isoweekday() % 7 for each in calendar])[place]

    def named(self, fields: Line) -> Minutes:
        """Which readings a line names."""
        day, weekday = fields.days[self.day], fields.weekdays[self.weekday]
        date = day & weekday if fields.needs_both_days else day | weekday
        return fields.minutes[self.minute] & fields.hours[self.hour] & fields.months[self.month] & date


def transitions(zone: str, first_year: int, last_year: int) -> list[datetime]:
    """When a zone's clocks change, to the minute."""
    tz = ZoneInfo(zone)
    found = []
    at, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        later = at + timedelta(hours=12)
        if at.astimezone(tz).utcoffset() != later.astimezone(tz).utcoffset():
            while at.astimezone(tz).utcoffset() == (at + MINUTE).astimezone(tz).utcoffset():
                at += MINUTE
            found.append(at + MINUTE)
        at = later
    return found


def _lines() -> list[str]:
    """Most are due near the changes of clocks, on days of every kind; some all the time."""
    near = ["1", "2", "3", "0,1,2,3"]
    lines = [f"{minute} {hour} * * *" for minute in (0, 15, 30, 59) for hour in (0, 1, 2, 3, 4, 22, 23)]
    lines += [f"{minutes} {hours} * * *" for minutes in ("0,30", "5-10", "*/20", "10-50/20") for hours in near]
    lines += [f"{minute} * * * *" for minute in ("0", "30", "7,37", "*/30", "0-20/10", "59", "*/10", "*/7")]
    lines += [f"{minute} */{step} * * *" for minute in ("0", "45", "*/30") for step in (2, 3, 5, 6, 12)]
    lines += [f"{minute} {span}/2 * * *" for minute in ("0", "30") for span in ("0-6", "1-5", "0-23")]
    lines += [f"30 {hour} * * {day}" for hour in (0, 1, 2, 3) for day in ("0", "7", "SUN", "SAT,SUN", "1-5", "*/2")]
    lines += [f"{minute} 2 {day} * *" for minute in ("0", "30") for day in ("1", "25-31", "1-7", "*/2", "28")]
    lines += [f"30 2 {day} * {weekday}" for day in ("1-7", "*", "25-31", "*/3") for weekday in ("SUN", "5,6", "*/3")]
    months = [("*", "3"), ("*", "10,11"), ("1", "JAN-JUN"), ("31", "*"), ("*/5", "*/2")]
    lines += [f"{time} {day} {month} *" for time in ("0 0", "30 1", "30 2", "0 3") for day, month in months]
    lines += [f"{minute} 0-4 * {month} SUN" for minute in ("0", "30") for month in ("3", "10", "11", "4", "9")]
    lines += [f"*/{step} {hours} * * *" for step in (15, 25) for hours in ("2", "0-3", "1,2", "23,0")]
    lines += [f"{minute} {hour} * * 0" for minute in ("1", "29", "31") for hour in near]
    lines += [f"* {hour} * * *" for hour in (0, 1, 2, 3, 23)]
    lines += [f"{minute} {hour} 1-15 * *" for minute in ("20", "45") for hour in (0, 1, 2, 3, 5)]
    lines += ["0 0 29 2 *", "0 0 1 1 *", "1 1 1-31/7 * *", "29 1,2,3 * * *", "0 12 * * MON-FRI", "15 6-22/4 * * 1-5"]
    lines += ["0 2 * * 7,1", "59 23 1-7 * MON", "* * 1 * *", "*/5 * * * SUN", "17 4 */2 3,10 *", "0 0-23 * * *"]
    lines += [
        "* * * * *",
        "*/2 0-6 * * *",
        "0-59 2 * * *",
        "0,15,30,45 1-3 * * *",
        "5 0,6,12,18 * * *",
        "*/45 * * * *",
        "40 */4 * * MON-SAT",
    ]
    return list(dict.fromkeys(lines))


EXPRESSIONS: Final[Sequence[str]] = _lines()
"""Two hundred lines."""


@dataclass(frozen=True)
class Difference:
    """A due time that one side has and the other has not."""

    zone: str
    cron: str
    at: datetime
    of_oracle: bool


AROUND: Final = timedelta(hours=14)


def compare(zone: str, around: datetime, crons: Sequence[str], slots: Slots) -> tuple[int, list[Difference]]:
    """How many due times of some lines were compared around an instant, and where the two sides differ."""
    begin, end = around - AROUND, around + AROUND
    window = Window(zone, begin, end)
    count, differences = 0, []
    for cron in crons:
        expected, got = window.fires(cron), list(slots(cron, zone, begin, end))
        count += len(expected)
        if expected != got:
            wrong = sorted(set(expected) ^ set(got)) or expected[:1]
            differences += [Difference(zone, cron, at, at in expected) for at in wrong]
    return count, differences
