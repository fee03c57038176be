"""The history of runs, and what is done with many of them at once."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.run import Trigger
from livegraft.run_history import MOST_AT_ONCE, ManyDone, RunHistory
from livegraft.web.filters import RUN_FIELDS, STATES, Asked
from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent

router = APIRouter()

PAGE_COUNT: Final = 50

ALL: Final = "all"
"""What a command to many is for, unless for the runs that are ticked: all that match."""

Action = Literal["cancel", "rerun"]


@router.get("/runs", name="runs")
def runs(visit: SignedIn, before: str = "") -> Response:
    asked = Asked.of(visit.request.query_params, RUN_FIELDS)
    history = visit.supervisor.runs
    found = history.search(asked.runs, tag=asked["tag"], before=before or None, limit=PAGE_COUNT)
    return visit.page(
        "runs.html",
        runs=found.runs,
        spans=history.spans(asked.runs, tag=asked["tag"]) if not before else (),
        asked=asked,
        before=before,
        older=found.next or "",
        looked_back_to=found.looked_back_to,
        names=visit.supervisor.script_names,
        tags=history.tags(),
        states=tuple(STATES),
        triggers=tuple(Trigger),
        most=MOST_AT_ONCE,
    )


@router.post("/runs/{action}-many", name="runs_many")
def many(visit: SignedIn, action: Action, sent: Sent) -> Response:
    """The form says whether it is for the chosen ones or for all that match."""
    asked = Asked.of({name: sent.get(name, "") for name in RUN_FIELDS}, RUN_FIELDS)
    with_all = sent.get("with") == ALL
    ids = [str(each) for each in sent.getlist("run")][:MOST_AT_ONCE]
    if not (ids or with_all):
        return visit.to("runs", asked=dict(asked.fields))
    before = str(sent.get("before", "")) or None
    done = _do(visit.supervisor.runs, action, None if with_all else ids, asked, before, visit.actor)
    return visit.page("runs_many.html", action=action, done=done.done, next=done.next, asked=asked)


def _do(
    history: RunHistory, action: Action, ids: list[str] | None, asked: Asked, before: str | None, actor: str
) -> ManyDone:
    which, tag, trigger = asked.runs, asked["tag"], Trigger.BUTTON
    match action, ids:
        case "cancel", None:
            return history.cancel_all(which, tag=tag, before=before, actor=actor)
        case "cancel", chosen:
            return history.cancel(chosen or (), actor=actor)
        case _, None:
            return history.rerun_all(which, tag=tag, before=before, trigger=trigger, actor=actor)
        case _, chosen:
            return history.rerun(chosen or (), trigger=trigger, actor=actor)
