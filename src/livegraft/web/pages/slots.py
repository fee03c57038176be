"""The schedule: what is due next, and what became of every due time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.api.shapes import read_slot_place, slot_place
from livegraft.catalog import ScheduleStatus, ScriptStatus
from livegraft.store import SlotState
from livegraft.web.session import SignedIn

router = APIRouter()

PAGE_COUNT: Final = 50

COMING_COUNT: Final = 20
"""How many due times to come are shown."""


@router.get("/schedule", name="schedule")
def schedule(visit: SignedIn, script: str = "", state: str = "", before: str = "") -> Response:
    supervisor = visit.supervisor
    states = [SlotState(state)] if state in set(SlotState) else []
    place = read_slot_place(before) if before else None
    found = supervisor.slots(script=script or None, states=states, before=place, limit=PAGE_COUNT + 1)
    shown = found[:PAGE_COUNT]
    everything = supervisor.scripts
    return visit.page(
        "schedule.html",
        slots=shown,
        script=script,
        state=state,
        states=tuple(SlotState),
        before=before,
        older=slot_place(shown[-1].place) if len(found) > PAGE_COUNT else "",
        coming=() if before else _coming(each for each in everything if script in ("", each.name)),
        paused=[each for each in everything if each.pause],
        names=[each.name for each in everything if each.schedules],
    )


def _coming(scripts: Iterable[ScriptStatus]) -> Sequence[tuple[datetime, ScriptStatus, ScheduleStatus]]:
    """The next due time of each schedule, the first ones."""
    due = ((line.next_at, each, line) for each in scripts for line in each.schedules if line.next_at)
    return heapq.nsmallest(COMING_COUNT, due, key=lambda coming: coming[0])
