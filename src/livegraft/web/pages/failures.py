"""Scripts whose newest version failed, and what still serves; scripts out of service; files that were left out."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.web.session import SignedIn

router = APIRouter()

SHOWN_COUNT: Final = 200


@router.get("/failures", name="failures")
def failures(visit: SignedIn) -> Response:
    supervisor = visit.supervisor
    failing = [(script, script.error) for script in supervisor.failing if script.error]
    quarantines = sorted(supervisor.quarantines.values(), key=lambda each: each.at, reverse=True)
    return visit.page(
        "failures.html",
        failing=failing[:SHOWN_COUNT],
        failing_count=len(failing),
        quarantines=quarantines,
        refusal=supervisor.refusal,
        skipped=supervisor.skipped,
        most=SHOWN_COUNT,
    )


@router.post("/scripts/{name:path}/retry", name="retry_script")
def retry_script(visit: SignedIn, name: str) -> Response:
    """Load again what failed: the page then shows how that went."""
    visit.supervisor.retry(name, actor=visit.actor)
    return visit.to("failures")
