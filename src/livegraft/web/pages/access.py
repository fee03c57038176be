"""Access: who is signed in here, a link that lets somebody else in, and what programs need."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.access import COOKIE, LINK_SECONDS, SESSION_SECONDS, Access
from livegraft.web.rendering import link
from livegraft.web.session import SignedIn
from livegraft.web.visit import Visit

router = APIRouter()


@router.get("/access", name="access")
def access(visit: SignedIn) -> Response:
    return _page(visit, "")


@router.post("/access", name="invite")
def invite(visit: SignedIn) -> Response:
    """Make a link that signs in whoever opens it first. It is shown once, and stands in no address."""
    known: Access = visit.request.app.state.access
    secret = known.invite(visit.supervisor, actor=visit.actor)
    place = visit.request.url.replace(path=link(visit.request, "login"), query=f"token={secret}")
    return _page(visit, str(place))


def _page(visit: Visit, new_link: str) -> Response:
    known: Access = visit.request.app.state.access
    since = known.signed_in_at(visit.request.cookies[COOKIE])
    answer = visit.page(
        "access.html",
        since=since,
        until=since + timedelta(seconds=SESSION_SECONDS),
        new_link=new_link,
        link_minutes=LINK_SECONDS // 60,
        session_hours=SESSION_SECONDS // 3600,
        token_file=visit.supervisor.data / "token",
        address=str(visit.request.url.replace(path=link(visit.request, "home"), query="")).rstrip("/"),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
