"""A schedule: a cron line in a time zone, and the slots it names.

The semantics are Debian's, computed by cronsim. Around a change of the clocks: a line with a
fixed hour and minute runs once on that day (in spring at the first moment that exists again, in
autumn in the first pass); a line whose hour or minute begins with ``*``, or that names seconds, follows the
elapsed time.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import ClassVar, Final
from zlib import crc32
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError

from livegraft.errors import LivegraftError
from livegraft.zone_files import zone_of

NAMED: Final[Mapping[str, str]] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Short names of cron expressions."""

_SECOND: Final = "second"
_FIELDS: Final[Mapping[str, str]] = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last day) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT (0 and 7 are Sunday), 5L (the last Friday), 5#2 (the second Friday)",
}
_FORM: Final = f"five fields ({' '.join(_FIELDS)}), six with seconds first, or one of {', '.join(NAMED)}"

_HASHED: Final = re.compile(r"H(?:\((\d{1,2})-(\d{1,2})\))?(?:/(\d{1,2}))?", re.IGNORECASE)
_HASHED_RANGES: Final = ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
"""What ``H`` stands for in each of six fields; days that every month has."""

_MAX_LENGTH: Final = 1_000

# Any instant does: the search covers 50 years, and the longest pause of a schedule that fires is 40.
_SEARCH_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)

_ORDINALS: Final[Mapping[str, str]] = {"21th": "21st", "22th": "22nd", "23th": "23rd", "31th": "31st"}


class ScheduleError(LivegraftError):
    """A cron expression or a time zone is wrong, or the expression never comes due."""

    code = "schedule"


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of a zone's clocks, and the due times that it touches.

    ``local_from`` and ``local_to`` are the naive local times of both clocks at the instant ``at``; ``touched`` are
    the naive local times in between that the line names. ``runs`` is what becomes of them: ``later`` (at ``at``),
    ``never``, ``once`` (in the first pass) or ``twice``.
    """

    at: datetime
    local_from: datetime
    local_to: datetime
    touched: tuple[datetime, ...]
    runs: str

    def words(self) -> str:
        """What people are told."""
        times = ", ".join(f"{each:%H:%M}" for each in self.touched[:_SHOWN])
        times += " ..." if len(self.touched) > _SHOWN else ""
        change = f"{self.local_from:%Y-%m-%d}: clocks go from {self.local_from:%H:%M} to {self.local_to:%H:%M}"
        some = len(self.touched) > 1
        outcome = {
            "later": f"what is due at {times} runs at {self.local_to:%H:%M}",
            "never": f"{times} {'do not exist and do' if some else 'does not exist and does'} not run",
            "once": f"{times} {'come twice and run' if some else 'comes twice and runs'} the first time only",
            "twice": f"{times} {'come twice and run' if some else 'comes twice and runs'} both times",
        }
        return f"{change}; {outcome[self.runs]}"


_SHOWN: Final = 4
"""How many due times are named at a change of the clocks."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron line and the zone it is read in; checked when it is made.

    ``cron`` has five fields separated by single spaces, or six with the second first; ``timezone`` is an IANA name.
    Raises ScheduleError.
    """

    UTC: ClassVar[str] = "UTC"

    cron: str
    timezone: str = UTC

    def __post_init__(self) -> None:
        _check_zone(self.timezone)
        _check_cron(self.cron)

    @classmethod
    def parse(cls, text: str, timezone: str = UTC, *, seed: str = "") -> Schedule:
        """Read ``*/15 6-22 * * 1-5 Europe/Berlin`` or ``@daily``; ``timezone`` holds where the text names none.

        ``H`` in a field stands for a value that is drawn from ``seed``, the script's name, and stays the same.
        Raises ScheduleError.
        """
        words = text.split()
        fields = 1 if words and words[0].startswith("@") else _field_count(words)
        if not fields <= len(words) <= fields + 1:
            raise ScheduleError(f"expected {_FORM}, then perhaps a time zone, got: {text!r}")
        cron = " ".join(words[:fields])
        cron = _expression(cron) if cron.startswith("@") else _drawn(cron, seed)
        return cls(cron, words[fields] if len(words) > fields else timezone)

    @property
    def id(self) -> str:
        """The schedule as the store knows it: ``0 7 * * * Europe/Berlin``."""
        return f"{self.cron} {self.timezone}"

    def next_after(self, at: datetime) -> datetime:
        """The first slot strictly after an instant, in UTC."""
        return _next_after(self, at)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The slots with ``after < slot <= until``, oldest first, in UTC."""
        for slot_at in self._slots(after):
            if slot_at > until:
                return
            yield slot_at

    def words(self) -> str:
        """The schedule in English, for people."""
        text = _explained(self.cron)
        return text if self.timezone == self.UTC else f"{text}, {self.timezone}"

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether a change of the clocks moves none of its slots: Debian's rule for lines that begin with ``*``."""
        fields = self.cron.split()
        return len(fields) > len(_FIELDS) or fields[0].startswith("*") or fields[1].startswith("*")

    def clock_changes(self, after: datetime, until: datetime) -> Iterator[ClockChange]:
        """The changes of the zone's clocks in ``after < at <= until`` that touch due times, oldest first."""
        hours = self.cron.split()[-4]
        if self.follows_elapsed_time and hours == "*":
            return  # each hour is like the others
        for at, offset, next_offset in _transitions(_zone(self.timezone), after, until):
            local_from, local_to = (at + offset).replace(tzinfo=None), (at + next_offset).replace(tzinfo=None)
            begin, end = min(local_from, local_to), max(local_from, local_to)
            touched = tuple(_named_between(self.cron, begin, end))
            if touched:
                is_left_out = local_to > local_from
                fixed, elapsed = ("later", "never") if is_left_out else ("once", "twice")
                yield ClockChange(at, local_from, local_to, touched, elapsed if self.follows_elapsed_time else fixed)

    def _slots(self, after: datetime) -> Iterator[datetime]:
        zone = _zone(self.timezone)
        if zone is not UTC and self.follows_elapsed_time:
            yield from _elapsed(self.cron, zone, after)
            return
        # A CronSim object changes as it is read, so every walk has one of its own.
        for local in CronSim(self.cron, after.astimezone(zone)):
            slot_at = local.astimezone(UTC)
            # In the second pass of a repeated hour cronsim names the slot of the first pass again.
            if slot_at > after:
                yield slot_at


def _elapsed(cron: str, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """The slots of a line that follows the elapsed time: what it names from one change of the clocks to the next.

    Told the zone, cronsim steps over hours as if they all began when the first one did, and loses slots where clocks
    change by half an hour.
    """
    position, offset = after, _offset(zone, after)
    while True:
        change = None
        for local in CronSim(cron, (position + offset).replace(tzinfo=None)):
            slot_at = (local - offset).replace(tzinfo=UTC)
            change = _change_between(zone, position, slot_at, offset)
            if change is not None:
                break
            yield slot_at
            position = slot_at
        if change is None:
            return
        # What is due at the very instant of the change is named by the clock that begins then.
        position, offset = change - timedelta(seconds=1), _offset(zone, change)


def _change_between(zone: tzinfo, after: datetime, until: datetime, offset: timedelta) -> datetime | None:
    """The first change of a zone's clocks with ``after < at <= until``; ``offset`` is that at ``after``."""
    if until - after < _NO_TWO_CHANGES and _offset(zone, until) == offset:
        return None
    # Just before, the clock of a change that was met already reads otherwise.
    begin = after + timedelta(seconds=1)
    if _offset(zone, begin) != offset and begin <= until:
        return begin
    return next((at for at, _, _ in _transitions(zone, begin, until)), None)


_NO_TWO_CHANGES: Final = timedelta(days=3)
"""Within that time no zone changes its clocks and changes them back."""


@lru_cache(maxsize=10_000)
def _next_after(schedule: Schedule, at: datetime) -> datetime:
    """Scripts with one line between them share its slots, and a start asks for all from one instant."""
    return next(schedule._slots(at))


@lru_cache(maxsize=20_000)
def _explained(cron: str) -> str:
    """A list of scripts asks for every line each time it is shown."""
    explained = CronSim(cron, _SEARCH_FROM).explain()
    return re.sub(r"\b\d+th\b", lambda found: _ORDINALS.get(found[0], found[0]), explained)


def _transitions(zone: tzinfo, after: datetime, until: datetime) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    """When a zone's offset from UTC changes: the instant to the second, the offset before and behind."""
    step, position = timedelta(days=1), after
    offset = _offset(zone, position)
    while position < until:
        later = min(position + step, until)
        if (later_offset := _offset(zone, later)) != offset:
            low, high = position, later
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            at = high.replace(microsecond=0)
            yield at, offset, later_offset
            offset = later_offset
        position = later


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _named_between(cron: str, first: datetime, end: datetime) -> Iterator[datetime]:
    """The naive local times that a line names from ``first`` on, before ``end``."""
    for local in CronSim(cron, first - timedelta(seconds=1)):
        if local >= end:
            return
        yield local


def forget_zones() -> None:
    """Read the rules of zones anew: their files changed."""
    zone_of.cache_clear()
    _next_after.cache_clear()


def _zone(name: str) -> tzinfo:
    return UTC if name == Schedule.UTC else zone_of(name)


def _field_count(words: list[str]) -> int:
    """Five or six: a sixth word is a field if it can be a day of the week, else it is a zone."""
    if len(words) == len(_FIELDS) + 2:
        return len(_FIELDS) + 1
    if len(words) == len(_FIELDS) + 1 and _is_cron(f"0 0 * * {re.sub(_HASHED, '0', words[-1])}"):
        return len(_FIELDS) + 1
    return len(_FIELDS)


def is_drawn(text: str) -> bool:
    """Whether a line may have an ``H``: then it is another schedule for each seed."""
    return "h" in text or "H" in text


def _drawn(cron: str, seed: str) -> str:
    """A line with a value for each ``H``, as Jenkins has it: drawn from the seed, so that starts are spread."""
    if not is_drawn(cron):
        return cron
    fields = cron.split()
    ranges = _HASHED_RANGES[-len(fields) :]
    drawn = [
        ",".join(_drawn_term(term, seed, index, limits) for term in field.split(","))
        for index, (field, limits) in enumerate(zip(fields, ranges, strict=True))
    ]
    return " ".join(drawn)


def _drawn_term(term: str, seed: str, index: int, limits: tuple[int, int]) -> str:
    found = _HASHED.fullmatch(term)
    if found is None:
        return term
    first, last = (int(found[1]), int(found[2])) if found[1] else limits
    step = int(found[3]) if found[3] else 0
    if not limits[0] <= first <= last <= limits[1] or (found[3] and not 0 < step <= last - first + 1):
        raise ScheduleError(f"expected H, H/STEP or H({limits[0]}-{limits[1]})/STEP, got: {term!r}")
    number = crc32(f"{seed} {index}".encode())
    if not step:
        return str(first + number % (last - first + 1))
    return f"{first + number % step}-{last}/{step}"


def _expression(name: str) -> str:
    if name not in NAMED:
        near = difflib.get_close_matches(name, NAMED, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ScheduleError(f"expected {_FORM}, got: {name!r}{hint}")
    return NAMED[name]


@lru_cache(maxsize=1_000)  # what was fine once is fine again; an error is raised anew each time
def _check_zone(name: str) -> None:
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):
        zones = {zone.lower(): zone for zone in available_timezones()}
        near = difflib.get_close_matches(name.lower(), zones, n=1)
        hint = f"; did you mean {zones[near[0]]!r}?" if near else ""
        expected = "expected an IANA time zone such as 'Europe/Berlin'"
        raise ScheduleError(f"{expected}, got: {name!r}{hint}") from None


@lru_cache(maxsize=20_000)
def _check_cron(cron: str) -> None:
    spaces = cron.count(" ")
    is_long = spaces == len(_FIELDS)
    if cron != " ".join(cron.split()) or not (is_long or spaces == len(_FIELDS) - 1) or len(cron) > _MAX_LENGTH:
        raise ScheduleError(f"expected {_FORM}, got: {cron!r}")
    try:
        fires = next(CronSim(cron, _SEARCH_FROM), None) is not None
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        # cronsim blames the day also when it is fine by itself and only the months lack it: 0 0 31 2 *
        fires = False
        if field != "day-of-month" or not _is_cron(_in_any_month(cron)):
            allowed = "0-59" if field == _SECOND else _FIELDS[field]
            raise ScheduleError(f"expected {field} to be {allowed}, got: {cron!r}") from None
    if not fires:
        raise ScheduleError(f"expected a schedule that comes due, got: {cron!r}; no day fits its date fields")


def _in_any_month(cron: str) -> str:
    *times, day, _, weekday = cron.split()
    return f"{' '.join(times)} {day} * {weekday}"


def _is_cron(cron: str) -> bool:
    try:
        CronSim(cron, _SEARCH_FROM)
    except CronSimError:
        return False
    return True
