"""The scripts: every one with its state, schedule, last runs and version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.catalog import ScriptState, ScriptStatus
from livegraft.run import OPEN_STATES, RunRecord
from livegraft.web.pictures import BAR_COUNT
from livegraft.web.session import SignedIn

router = APIRouter()

SHOWN_COUNT: Final = 300
"""Rows on the page; with more scripts the search asks the server."""

RUNNING_COUNT: Final = 100
"""More open runs than this are shown as ``100+``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One script of the table."""

    script: ScriptStatus
    leaf: str
    next_at: datetime | None
    runs: Sequence[RunRecord]

    @property
    def runs_at_once(self) -> bool:
        return runs_at_once(self.script)


@dataclass(frozen=True, slots=True)
class Folder:
    """The scripts of one folder; ``name`` is empty for the root."""

    name: str
    rows: tuple[Row, ...]


@router.get("/scripts", name="scripts")
def scripts(visit: SignedIn, q: str = "", state: str = "") -> Response:
    supervisor = visit.supervisor
    everything = supervisor.scripts
    found = [script for script in everything if matches(script, q) and _in_state(script, state)]
    shown = found[:SHOWN_COUNT]
    runs = supervisor.store.runs.last_by_script([script.name for script in shown], BAR_COUNT)
    return visit.page(
        "scripts.html",
        folders=_folders(shown, runs),
        q=q,
        state=state,
        counts=_counts(everything),
        found_count=len(found),
        restart_needed=supervisor.restart_needed,
        refusal=supervisor.refusal,
        shown_count=len(shown),
        live=supervisor.store.releases.live(),
        open_runs=[run for run in supervisor.find_runs(states=OPEN_STATES, limit=RUNNING_COUNT) if not run.waits],
        next_up=_next_up(everything),
    )


def runs_at_once(script: ScriptStatus) -> bool:
    """Whether the button needs no form: the script has no parameters."""
    return not script.parameters.get("properties")


def matches(script: ScriptStatus, q: str) -> bool:
    """Every word must stand somewhere in the name, description, owner or tags."""
    text = " ".join((script.name, script.description, script.owner, *script.tags)).lower()
    return all(word in text for word in q.lower().split())


def _in_state(script: ScriptStatus, state: str) -> bool:
    """``failing`` also finds scripts whose last good version still serves."""
    return script.has_failed if state == "failing" else state in ("", script.state)


def _counts(scripts: Sequence[ScriptStatus]) -> Mapping[str, int]:
    return {
        "": len(scripts),
        "failing": sum(script.has_failed for script in scripts),
        "quarantined": sum(script.state is ScriptState.QUARANTINED for script in scripts),
    }


def _folders(scripts: Iterable[ScriptStatus], runs: Mapping[str, Sequence[RunRecord]]) -> list[Folder]:
    """Grouped by folder, the root first."""
    by_folder = sorted(scripts, key=lambda script: script.name.rpartition("/"))
    return [
        Folder(name, tuple(_row(script, runs.get(script.name, ())) for script in group))
        for name, group in groupby(by_folder, key=lambda script: script.name.rpartition("/")[0])
    ]


def _row(script: ScriptStatus, runs: Sequence[RunRecord]) -> Row:
    return Row(script, script.name.rpartition("/")[2], _next_at(script), runs)


def _next_at(script: ScriptStatus) -> datetime | None:
    return min((schedule.next_at for schedule in script.schedules if schedule.next_at), default=None)


def _next_up(scripts: Iterable[ScriptStatus]) -> tuple[datetime, ScriptStatus] | None:
    """The script that its schedule starts next, and when."""
    due = [(at, script) for script in scripts if (at := _next_at(script))]
    return min(due, key=lambda pair: pair[0], default=None)
