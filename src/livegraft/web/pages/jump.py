"""What the command palette finds: pages, scripts to open or to run, and a run by its id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from heapq import nsmallest
from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from livegraft.catalog import ScriptState, ScriptStatus
from livegraft.directory import Wanted
from livegraft.errors import NotFoundError
from livegraft.web.pages.scripts import runs_at_once
from livegraft.web.rendering import link
from livegraft.web.session import SignedIn
from livegraft.web.visit import Visit

router = APIRouter()

SCREENS: Final = ("home", "scripts", "runs", "schedule", "releases", "failures", "system", "shared", "audit", "access")
MOST: Final = 10
"""Scripts that are offered."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line: where it leads; with ``posts`` that is a change, asked for by a form."""

    label: str
    hint: str
    address: str
    posts: bool = False


@router.get("/jump", name="jump")
def jump(visit: SignedIn, q: str = "") -> Response:
    words = q.lower().split()
    found = [*_run(visit, q.strip()), *_scripts(visit, q), *_screens(visit, words)]
    return JSONResponse([asdict(choice) for choice in found])


def _run(visit: Visit, id: str) -> Iterator[Choice]:
    try:
        run = visit.supervisor.find_run(id)
    except NotFoundError:
        return
    yield Choice(f"Run {run.id}", f"{run.script}, {run.state.value}", link(visit.request, "run", id=run.id))


def _scripts(visit: Visit, q: str) -> Iterator[Choice]:
    wants_run = q.lower().startswith("run ")
    text = q[4:] if wants_run else q
    if not text.strip():
        return
    found = visit.supervisor.directory.find(Wanted(text)).entries
    nearest = nsmallest(MOST, found, key=lambda entry: _distance(entry.name, text.lower().split()))
    for script in visit.supervisor.scripts_named(entry.name for entry in nearest):
        opens = Choice(script.name, script.description, link(visit.request, "script", name=script.name))
        yield from (_to_run(visit, script), opens) if wants_run else (opens, _to_run(visit, script))


def _to_run(visit: Visit, script: ScriptStatus) -> Choice:
    at_once = script.state is ScriptState.LIVE and runs_at_once(script)
    if at_once:
        return Choice(f"Run {script.name}", "now", link(visit.request, "run_script", name=script.name), posts=True)
    address = link(visit.request, "script", name=script.name)
    return Choice(f"Run {script.name}", "fill in the arguments", f"{address}#arguments")


def _screens(visit: Visit, words: Sequence[str]) -> Iterator[Choice]:
    for screen in SCREENS:
        if all(word in screen for word in words):
            yield Choice(screen.capitalize(), "page", link(visit.request, screen))


def _distance(name: str, words: Sequence[str]) -> tuple[bool, bool, int, str]:
    """Smaller is nearer: found in the last part of the name, at its begin, in a short name."""
    leaf = name.rpartition("/")[2].lower()
    return not all(word in leaf for word in words), not leaf.startswith(words[0]), len(name), name
