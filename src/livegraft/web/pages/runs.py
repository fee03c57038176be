"""The history of runs."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.run import OPEN_STATES, RunState
from livegraft.web.session import SignedIn

router = APIRouter()

PAGE_COUNT: Final = 50

FILTERS: Final = {
    "open": OPEN_STATES,
    "succeeded": {RunState.SUCCEEDED},
    "failed": {RunState.FAILED},
    "timed out": {RunState.TIMED_OUT},
    "stuck": {RunState.STUCK},
    "cancelled": {RunState.CANCELLED},
    "lost": {RunState.LOST},
}
"""What the filter offers; ``open`` is queued, starting and running."""


@router.get("/runs", name="runs")
def runs(visit: SignedIn, script: str = "", state: str = "", before: str = "") -> Response:
    found = visit.supervisor.find_runs(
        script=script or None, states=FILTERS.get(state, ()), before=before or None, limit=PAGE_COUNT + 1
    )
    shown = found[:PAGE_COUNT]
    older = shown[-1].id if len(found) > PAGE_COUNT else ""
    return visit.page(
        "runs.html",
        runs=shown,
        script=script,
        state=state,
        before=before,
        older=older,
        names=visit.supervisor.script_names,
        states=tuple(FILTERS),
    )
