"""The audit: who changed what, when."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from livegraft.web.filters import AUDIT_FIELDS, Asked
from livegraft.web.session import SignedIn

router = APIRouter()

PAGE_COUNT: Final = 100

ACTIONS: Final = (
    "accept rewritten", "backfill", "cancel", "crash", "delete shared data", "hold", "lift hold", "lift pause",
    "lift pin", "lift quarantine", "make link", "pause", "pin", "quarantine", "rerun", "roll back", "run", "run at",
    "scrub", "undo roll back",
)  # fmt: skip
"""What the filter offers of what can be done; any other may be written."""


@router.get("/audit", name="audit")
def audit(visit: SignedIn, before: Annotated[int | None, Query(ge=0, lt=1 << 63)] = None) -> Response:
    asked = Asked.of(visit.request.query_params, AUDIT_FIELDS)
    found = visit.supervisor.search_audit(asked.audit, before=before, limit=PAGE_COUNT)
    older = "" if found.next is None else str(found.next)
    return visit.page("audit.html", entries=found.rows, asked=asked, before=before, older=older, actions=ACTIONS)
