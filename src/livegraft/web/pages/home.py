"""Home: how it goes, what to look at, what runs, what is due and what was committed.

Nothing here goes over all scripts: it is as fast with 10,000 of them as with ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState
from livegraft.store import ReleaseRecord, ReplicaRecord, SlotState
from livegraft.supervisor import Supervisor
from livegraft.web.rendering import link
from livegraft.web.session import SignedIn

router = APIRouter()

LATELY: Final = timedelta(hours=24)
"""How far back failures are looked for, and how far ahead due times are."""

CONCERN_COUNT: Final = 10
RUN_COUNT: Final = 8
DUE_COUNT: Final = 10
RELEASE_COUNT: Final = 5

MOST: Final = 100
"""More than this are counted as ``100+``."""

FILTERS: Final = frozenset({"q", "state"})
"""Of the list of scripts, which stood here before it had an address of its own."""

_WENT_WRONG: Final = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
_GOES_ON: Final = (RunState.STARTING, RunState.RUNNING, RunState.STUCK)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something of a script that a person should look at; ``state`` is the word for it, as on its own page."""

    state: str
    script: str
    text: str
    at: datetime
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the history tells."""

    live: ReleaseRecord | None
    releases: Sequence[ReleaseRecord]
    running: Sequence[RunRecord]
    queued_count: int
    wrong: Sequence[Concern]
    replicas: Sequence[ReplicaRecord]
    size: int


@router.get("/", name="home")
def home(visit: SignedIn) -> Response:
    supervisor = visit.supervisor
    if FILTERS.intersection(visit.request.query_params):
        return RedirectResponse(f"{link(visit.request, 'scripts')}?{visit.request.url.query}", status_code=307)
    told = _told(supervisor)
    running = told.running[:RUN_COUNT] if told else ()
    concerns = sorted((*_of_scripts(supervisor), *(told.wrong if told else ())), key=lambda each: each.at, reverse=True)
    release = supervisor.release
    return visit.page(
        "home.html",
        told=told,
        running=[(run, supervisor.progress(run.id)) for run in running],
        concerns=concerns[:CONCERN_COUNT],
        concern_count=len(concerns),
        coming=supervisor.coming(DUE_COUNT, LATELY),
        is_empty=not (release and release.scripts) and not supervisor.failure_count and not supervisor.safe_mode,
        refusal=supervisor.refusal,
        skipped_count=len(supervisor.skipped),
        restart_needed=supervisor.restart_needed,
        me=supervisor.identity,
        address=supervisor.address,
        branch=supervisor.branch,
    )


def _told(supervisor: Supervisor) -> Told | None:
    """None while the history cannot be read: what is live is shown all the same."""
    try:
        return Told(
            live=supervisor.store.releases.live(most_scripts=0),
            releases=supervisor.releases(limit=RELEASE_COUNT, most_scripts=0),
            running=supervisor.find_runs(states=_GOES_ON, limit=MOST),
            queued_count=len(supervisor.find_runs(states=[RunState.QUEUED], limit=MOST)),
            wrong=[*_failing_runs(supervisor), *_missed_slots(supervisor)],
            replicas=supervisor.replicas,
            size=supervisor.store.size(),
        )
    except StoreError:
        return None


def _of_scripts(supervisor: Supervisor) -> Iterator[Concern]:
    """What is out of service, and what did not load."""
    for name, quarantine in supervisor.quarantines.items():
        yield Concern("quarantined", name, f"by {quarantine.actor}: {quarantine.reason}", quarantine.at)
    # In safe mode nothing is loaded at all, and every page says so.
    for script in supervisor.failing if not supervisor.safe_mode else ():
        if script.error and script.name not in supervisor.quarantines:
            failure = script.error.failure
            where = f"{failure.place} " if failure.path else ""
            yield Concern("did not load", script.name, f"{where}{failure.message}", script.error.at)


def _failing_runs(supervisor: Supervisor) -> Iterator[Concern]:
    """The scripts that failed lately and did not succeed since."""
    since = supervisor.clock.now() - LATELY
    wrong = [run for run in supervisor.find_runs(states=_WENT_WRONG, limit=MOST) if run.queued_at >= since]
    last = supervisor.store.runs.last_by_script({run.script for run in wrong}, 1)
    for script, runs in _by_script(wrong):
        if not any(run.state is RunState.SUCCEEDED for run in last[script]):
            yield Concern(runs[0].state, script, _in_words(runs), runs[0].queued_at, runs[0].id)


def _by_script(runs: Iterable[RunRecord]) -> Iterator[tuple[str, list[RunRecord]]]:
    for script, group in groupby(sorted(runs, key=lambda run: run.script), key=lambda run: run.script):
        yield script, list(group)


def _in_words(runs: Sequence[RunRecord]) -> str:
    failure = runs[0].failure
    text = f"{failure.type}: {failure.message}" if failure else ""
    return f"{len(runs)} times, last {text}" if len(runs) > 1 else text


def _missed_slots(supervisor: Supervisor) -> Iterator[Concern]:
    """The due times that went by lately and were not caught up, by script."""
    since = supervisor.clock.now() - LATELY
    missed = [slot for slot in supervisor.slots(states=[SlotState.MISSED], limit=MOST) if slot.slot_at >= since]
    missed = [slot for slot in missed if not slot.run_id]
    for script, group in groupby(sorted(missed, key=lambda slot: slot.script), key=lambda slot: slot.script):
        slots = list(group)
        count = f"{len(slots)} due times, the last: " if len(slots) > 1 else ""
        yield Concern("missed", script, count + slots[0].reason, slots[0].slot_at)
