"""Scripts whose newest version failed, and what still serves."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.web.session import SignedIn

router = APIRouter()


@router.get("/failures", name="failures")
def failures(visit: SignedIn) -> Response:
    failing = [(script, script.error) for script in visit.supervisor.scripts if script.error and script.has_failed]
    failing.sort(key=lambda pair: pair[1].at, reverse=True)
    return visit.page("failures.html", failing=failing, refusal=visit.supervisor.refusal)
