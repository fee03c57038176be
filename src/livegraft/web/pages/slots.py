"""The schedule: what is due next, and what became of every due time."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from livegraft.api.shapes import read_slot_place, slot_place
from livegraft.directory import Wanted
from livegraft.errors import ArgumentsError
from livegraft.run import Trigger
from livegraft.store import SlotRecord, SlotState
from livegraft.supervisor import Supervisor
from livegraft.ticker import ComingSlot
from livegraft.web.heat import HOUR, Day, calendar, first_hour, hour_count
from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent

router = APIRouter()

PAGE_COUNT: Final = 50

COMING: Final = "coming"
"""What is chosen among the states to see only what is to come."""

COMING_COUNT: Final = 6
"""How many due times to come are shown above those that went by."""

NAME_COUNT: Final = 1000
"""How many scripts are offered where one is named."""

_YEAR: Final = timedelta(days=365)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The day or the hour (UTC) that was chosen in the calendar, as it stands in addresses."""

    place: str
    since: datetime
    until: datetime

    @classmethod
    def read(cls, place: str) -> Span | None:
        """None for what is neither."""
        for form, length in (("%Y-%m-%d", _DAY), ("%Y-%m-%dT%H", HOUR)):
            with contextlib.suppress(ValueError, OverflowError):
                since = datetime.strptime(place, form).replace(tzinfo=UTC)
                return cls(place, since, since + length)
        return None


@router.get("/schedule", name="schedule")
def schedule(visit: SignedIn, script: str = "", state: str = "", before: str = "", at: str = "") -> Response:
    supervisor = visit.supervisor
    span = Span.read(at)
    found = _past(supervisor, script, state, before, span)
    shown = found[:PAGE_COUNT]
    is_first = not before and span is None
    coming_count = PAGE_COUNT if state == COMING else COMING_COUNT if not state else 0
    directory = supervisor.directory
    names = [entry.name for entry in directory.find(Wanted(scheduled=True)).entries]
    return visit.page(
        "schedule.html",
        slots=shown,
        runs=supervisor.states_of(slot.run_id for slot in shown if slot.run_id),
        script=script,
        state=state,
        states=(COMING, *SlotState),
        before=before,
        span=span,
        older=slot_place(shown[-1].place) if len(found) > PAGE_COUNT else "",
        coming=_coming(supervisor, script, coming_count)[::-1] if is_first else (),
        days=_days(supervisor, script) if not before else (),
        paused=supervisor.scripts_named(entry.name for entry in directory.find(Wanted(state="paused")).entries),
        names=names[:NAME_COUNT],
        scheduled=next(iter(supervisor.scripts_named([script])), None) if script in names else None,
    )


def _past(supervisor: Supervisor, script: str, state: str, before: str, span: Span | None) -> Sequence[SlotRecord]:
    """One more than the page shows."""
    if state == COMING:
        return ()
    return supervisor.slots(
        script=script or None,
        states=[SlotState(state)] if state in set(SlotState) else [],
        before=read_slot_place(before) if before else None,
        since=span.since if span else None,
        until=span.until if span else None,
        limit=PAGE_COUNT + 1,
    )


def _coming(supervisor: Supervisor, script: str, count: int) -> Sequence[ComingSlot]:
    """The first slots to come: of a script, or of all."""
    if script:
        return supervisor.coming_of(script, count, _YEAR)
    return supervisor.all_coming(count, _YEAR)


def _days(supervisor: Supervisor, script: str) -> Sequence[Day]:
    now = supervisor.clock.now().astimezone(UTC)
    return calendar(supervisor.tally_slots(first_hour(now), HOUR, hour_count(now), script=script or None))


@router.post("/scripts/{name:path}/backfill", name="backfill")
def backfill(visit: SignedIn, name: str, sent: Sent) -> Response:
    """Have the due times of a range run that have no run; both ends are in UTC."""
    first, last = (_instant(name, sent, end) for end in ("first", "last"))
    visit.supervisor.backfill(name, first, last, trigger=Trigger.BUTTON, actor=visit.actor)
    return visit.to("schedule", asked={"script": name})


def _instant(script: str, sent: FormData, end: str) -> datetime:
    try:
        return datetime.fromisoformat(str(sent.get(end, ""))).replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentsError(script, {end: "expected a date and a time, in UTC"}) from None
