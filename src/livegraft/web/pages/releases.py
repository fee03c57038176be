"""Commits: when each was seen, loaded and live, and what it did to every script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.access import Access
from livegraft.api.app import ReleaseId
from livegraft.catalog import LiveVersion, NewerVersion
from livegraft.store import COUNTED, Outcome
from livegraft.supervisor import Supervisor
from livegraft.web.rendering import link
from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent

router = APIRouter()

PAGE_COUNT: Final = 30

ROLL_BACK_COUNT: Final = 200
"""Scripts that are named of those that a roll back would change; of more it tells the number."""

SCRIPT_COUNT: Final = 12
"""Scripts of one release that are named among others; of more it tells the number."""

SCRIPT_PAGE_COUNT: Final = 200
"""Scripts that the page of one release names."""

SYNC_SECONDS: Final = 20.0
"""How long the button waits for the newest commit; the sync goes on after that."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A script whose newest version is not live: what serves, if anything does, and what the repository has."""

    script: str
    live: LiveVersion | None
    newer: NewerVersion


@router.get("/releases", name="releases")
def releases(visit: SignedIn, before: int | None = None) -> Response:
    supervisor = visit.supervisor
    access: Access = visit.request.app.state.access
    found = supervisor.releases(before=before, limit=PAGE_COUNT + 1, most_scripts=SCRIPT_COUNT)
    shown = found[:PAGE_COUNT]
    older = str(shown[-1].id) if len(found) > PAGE_COUNT else ""
    return visit.page(
        "releases.html",
        releases=shown,
        # Each process that begins makes a release of the commit that it finds.
        begun_again={newer.id for newer, older in pairwise(found) if newer.revision == older.revision},
        counted=COUNTED,
        before=before,
        older=older,
        beside=() if before else _beside(supervisor),
        refusal=supervisor.refusal,
        held=supervisor.held,
        rolled_back=supervisor.roll_backs.counts(),
        address=supervisor.address,
        branch=supervisor.branch,
        webhook_address=str(visit.request.url.replace(path=link(visit.request, "webhook"), query="")),
        webhook_secret=access.webhook_secret,
    )


@router.get("/releases/{id}", name="release")
def release(visit: SignedIn, id: ReleaseId, outcome: str = "", after: str = "") -> Response:
    """One commit, and page by page all that it did: to every script, or what became of some alone."""
    supervisor = visit.supervisor
    wanted = Outcome(outcome) if outcome in set(Outcome) else None
    found = supervisor.scripts_of_release(id, outcome=wanted, after=after, limit=SCRIPT_PAGE_COUNT + 1)
    shown = found[:SCRIPT_PAGE_COUNT]
    return visit.page(
        "release.html",
        release=supervisor.find_release(id),
        rolled_back=supervisor.roll_backs.counts(),
        outcomes=Outcome,
        outcome=wanted or "",
        counted=COUNTED,
        scripts=shown,
        after=after,
        more=shown[-1].script if len(found) > SCRIPT_PAGE_COUNT else "",
    )


def _beside(supervisor: Supervisor) -> Sequence[Beside]:
    """By name; a new script that waits with its commit is no script of the release yet."""
    found = {each.name: Beside(each.name, each.version, each.newer) for each in supervisor.behind if each.newer}
    refusal = supervisor.refusal
    for each in refusal.scripts if refusal else ():
        newer = NewerVersion(each.key, refusal.revision if refusal else "", None)
        found.setdefault(each.script, Beside(each.script, None, newer))
    return [found[name] for name in sorted(found)]


@router.post("/releases/sync", name="sync")
def sync(visit: SignedIn) -> Response:
    visit.supervisor.sync(actor=visit.actor, timeout=SYNC_SECONDS)
    return visit.to("releases")


@router.post("/releases/hold", name="hold")
def hold(visit: SignedIn, sent: Sent) -> Response:
    visit.supervisor.hold(actor=visit.actor, reason=str(sent.get("reason", "")).strip())
    return visit.to("releases")


@router.post("/releases/resume", name="resume")
def resume(visit: SignedIn) -> Response:
    visit.supervisor.resume(actor=visit.actor)
    return visit.to("releases")


@router.post("/releases/let-go", name="let_go")
def let_go(visit: SignedIn) -> Response:
    visit.supervisor.let_go(actor=visit.actor)
    return visit.to("releases")


@router.get("/releases/{revision}/roll-back", name="roll_back")
def plan_roll_back(visit: SignedIn, revision: str) -> Response:
    """What would change, before anything does."""
    plan = visit.supervisor.roll_backs.plan(revision)
    pinned = visit.supervisor.roll_backs.pinned(plan.release)
    return visit.page("roll_back.html", plan=plan, release=plan.release, pinned=pinned, most=ROLL_BACK_COUNT)


@router.post("/releases/{revision}/roll-back", name="do_roll_back")
def roll_back(visit: SignedIn, revision: str, sent: Sent) -> Response:
    visit.supervisor.roll_backs.roll_back(revision, actor=visit.actor, reason=str(sent.get("reason", "")).strip())
    return visit.to("releases")


@router.post("/releases/{revision}/undo-roll-back", name="undo_roll_back")
def undo_roll_back(visit: SignedIn, revision: str) -> Response:
    visit.supervisor.roll_backs.undo(revision, actor=visit.actor)
    return visit.to("releases")
