"""The process: which versions are in it, who holds the leaked ones, how syncing goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.errors import StoreError
from livegraft.run import RunState
from livegraft.store import ReplicaRecord
from livegraft.supervisor import Supervisor
from livegraft.version import VersionState
from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent

router = APIRouter()

_S = VersionState
_ORDER = (_S.LEAKED, _S.QUARANTINED, _S.FAILED, _S.DRAINING, _S.DRAINED, _S.LOADING, _S.PLANNED, _S.LIVE, _S.UNLOADED)
"""What needs a look comes first."""

_GOES_ON: Final = (RunState.STARTING, RunState.RUNNING, RunState.STUCK)
SHOWN_COUNT: Final = 200
"""So many versions are shown."""

MOST: Final = 100
"""So many runs are counted."""


@router.get("/system", name="system")
def system(visit: SignedIn, state: str = "", stacks: bool = False) -> Response:
    """``stacks``: of all threads and tasks too, as they are at this moment."""
    supervisor = visit.supervisor
    counts, versions = supervisor.first_versions(_ORDER, state=state, limit=SHOWN_COUNT)
    total_count = sum(counts.values())
    return visit.page(
        "system.html",
        versions=versions,
        found_count=sum(count for each, count in counts.items() if state in ("", each)),
        total_count=total_count,
        counts=[(each, counts[each]) for each in _ORDER if each in counts],
        state=state,
        health=_told(supervisor.health()),
        queue=_queue(supervisor),
        most=MOST,
        shows_stacks=stacks,
        threads=supervisor.threads() if stacks else (),
        loops=supervisor.loops() if stacks else (),
        restart_needed=supervisor.restart_needed,
        stalls=supervisor.stalls,
        replicas=_replicas(supervisor),
        me=supervisor.identity,
        address=supervisor.address,
        branch=supervisor.branch,
    )


@router.post("/versions/{name:path}/scrub", name="scrub_version")
def scrub_version(visit: SignedIn, name: str, sent: Sent) -> Response:
    visit.supervisor.scrub(name, key=str(sent.get("key", "")), actor=visit.actor)
    return visit.to("system")


def _told(health: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts that have a value; what needs a restart has a place of its own."""
    return {name: value for name, value in health.items() if value is not None and name != "restart_needed"}


def _replicas(supervisor: Supervisor) -> Sequence[ReplicaRecord]:
    """None while the history cannot be read: this is the page on which people look for what is wrong."""
    try:
        return supervisor.replicas
    except StoreError:
        return ()


def _queue(supervisor: Supervisor) -> Mapping[str, int] | None:
    """Runs that wait and that go on, each at most ``MOST``, and the bytes of the history; None while it is away."""
    try:
        return {
            "waiting": len(supervisor.find_runs(states=[RunState.QUEUED], limit=MOST)),
            "going": len(supervisor.find_runs(states=_GOES_ON, limit=MOST)),
            "bytes": supervisor.store.size(),
        }
    except StoreError:
        return None
