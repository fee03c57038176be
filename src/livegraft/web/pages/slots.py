"""The schedule: what is due next, and what became of every due time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import Response

from livegraft.api.shapes import read_slot_place, slot_place
from livegraft.directory import Wanted
from livegraft.errors import ArgumentsError
from livegraft.run import Trigger
from livegraft.schedule import Schedule
from livegraft.store import SlotState
from livegraft.supervisor import Supervisor
from livegraft.ticker import ComingSlot
from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent

router = APIRouter()

PAGE_COUNT: Final = 50

_YEAR: Final = timedelta(days=365)

COMING_COUNT: Final = 20
"""How many due times to come are shown."""


@router.get("/schedule", name="schedule")
def schedule(visit: SignedIn, script: str = "", state: str = "", before: str = "") -> Response:
    supervisor = visit.supervisor
    states = [SlotState(state)] if state in set(SlotState) else []
    place = read_slot_place(before) if before else None
    found = supervisor.slots(script=script or None, states=states, before=place, limit=PAGE_COUNT + 1)
    shown = found[:PAGE_COUNT]
    directory = supervisor.directory
    names = [entry.name for entry in directory.find(Wanted(scheduled=True)).entries]
    return visit.page(
        "schedule.html",
        slots=shown,
        script=script,
        state=state,
        states=tuple(SlotState),
        before=before,
        older=slot_place(shown[-1].place) if len(found) > PAGE_COUNT else "",
        coming=() if before else _coming(supervisor, script),
        paused=supervisor.scripts_named(entry.name for entry in directory.find(Wanted(state="paused")).entries),
        names=names,
        can_backfill=script in names,
    )


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


def _coming(supervisor: Supervisor, script: str) -> Sequence[ComingSlot]:
    """The first slots to come, one of each schedule: of a script, or of all."""
    if not script:
        return supervisor.coming(COMING_COUNT, _YEAR)
    return [
        ComingSlot(line.next_at, status.name, Schedule(line.cron, line.timezone))
        for status in supervisor.scripts_named([script])
        for line in status.schedules
        if line.next_at
    ]
