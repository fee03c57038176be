"""A schedule: a cron line in a time zone, and the slots it names.

The semantics are Debian's, computed by cronsim. Around a change of the clocks: a line with a
fixed hour and minute runs once on that day (in spring at the first moment that exists again, in
autumn in the first pass); a line whose hour or minute begins with ``*`` follows the elapsed time.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import ClassVar, Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from livegraft.errors import LivegraftError

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

_FIELDS: Final[Mapping[str, str]] = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last day) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT (0 and 7 are Sunday), 5L (the last Friday), 5#2 (the second Friday)",
}
_FORM: Final = f"five fields ({' '.join(_FIELDS)}) or one of {', '.join(NAMED)}"

_MAX_LENGTH: Final = 1_000

# Any instant does: the search covers 50 years, and the longest pause of a schedule that fires is 40.
_SEARCH_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)

_ORDINALS: Final[Mapping[str, str]] = {"21th": "21st", "22th": "22nd", "23th": "23rd", "31th": "31st"}


class ScheduleError(LivegraftError):
    """A cron expression or a time zone is wrong, or the expression never comes due."""

    code = "schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron line and the zone it is read in; checked when it is made.

    ``cron`` has five fields separated by single spaces, ``timezone`` is an IANA name. Raises ScheduleError.
    """

    UTC: ClassVar[str] = "UTC"

    cron: str
    timezone: str = UTC

    def __post_init__(self) -> None:
        _check_zone(self.timezone)
        _check_cron(self.cron)

    @classmethod
    def parse(cls, text: str, timezone: str = UTC) -> Schedule:
        """Read ``*/15 6-22 * * 1-5 Europe/Berlin`` or ``@daily``; ``timezone`` holds where the text names none.

        Raises ScheduleError.
        """
        words = text.split()
        fields = 1 if words and words[0].startswith("@") else 5
        if not fields <= len(words) <= fields + 1:
            raise ScheduleError(f"expected {_FORM}, then perhaps a time zone, got: {text!r}")
        cron = " ".join(words[:fields])
        if cron.startswith("@"):
            cron = _expression(cron)
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

    def _slots(self, after: datetime) -> Iterator[datetime]:
        # A CronSim object changes as it is read, so every walk has one of its own.
        for local in CronSim(self.cron, after.astimezone(_zone(self.timezone))):
            slot_at = local.astimezone(UTC)
            # In the second pass of a repeated hour cronsim names the slot of the first pass again.
            if slot_at > after:
                yield slot_at


@lru_cache(maxsize=10_000)
def _next_after(schedule: Schedule, at: datetime) -> datetime:
    """Scripts with one line between them share its slots, and a start asks for all from one instant."""
    return next(schedule._slots(at))


@lru_cache(maxsize=20_000)
def _explained(cron: str) -> str:
    """A list of scripts asks for every line each time it is shown."""
    explained = CronSim(cron, _SEARCH_FROM).explain()
    return re.sub(r"\b\d+th\b", lambda found: _ORDINALS.get(found[0], found[0]), explained)


def _zone(name: str) -> tzinfo:
    return UTC if name == Schedule.UTC else ZoneInfo(name)


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
    if cron != " ".join(cron.split()) or cron.count(" ") != len(_FIELDS) - 1 or len(cron) > _MAX_LENGTH:
        raise ScheduleError(f"expected {_FORM}, got: {cron!r}")
    try:
        fires = next(CronSim(cron, _SEARCH_FROM), None) is not None
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        # cronsim blames the day also when it is fine by itself and only the months lack it: 0 0 31 2 *
        fires = False
        if field != "day-of-month" or not _is_cron(_in_any_month(cron)):
            raise ScheduleError(f"expected {field} to be {_FIELDS[field]}, got: {cron!r}") from None
    if not fires:
        raise ScheduleError(f"expected a schedule that comes due, got: {cron!r}; no day fits its date fields")


def _in_any_month(cron: str) -> str:
    minute, hour, day, _, weekday = cron.split()
    return f"{minute} {hour} {day} * {weekday}"


def _is_cron(cron: str) -> bool:
    try:
        CronSim(cron, _SEARCH_FROM)
    except CronSimError:
        return False
    return True
