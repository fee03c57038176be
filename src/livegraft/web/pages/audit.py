"""Who changed what, when."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.web.session import SignedIn

router = APIRouter()

PAGE_COUNT: Final = 100


@router.get("/audit", name="audit")
def audit(visit: SignedIn, before: int | None = None) -> Response:
    found = visit.supervisor.audit(before=before, limit=PAGE_COUNT + 1)
    shown = found[:PAGE_COUNT]
    older = str(shown[-1].id) if len(found) > PAGE_COUNT else ""
    return visit.page("audit.html", entries=shown, before=before, older=older)
