"""Who is asking: a session cookie, got with a one-time link, and a check that changes come from our pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from livegraft.access import COOKIE, SESSION_SECONDS, Access, is_same_origin
from livegraft.supervisor import Supervisor
from livegraft.web.rendering import link, render
from livegraft.web.visit import Visit

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

router = APIRouter()


class SignedOutError(Exception):
    """The request carries no valid session."""


class ForeignOriginError(Exception):
    """A change of state was asked for by a page that is not ours."""


def visit(request: Request) -> Visit:
    """The dependency of every screen: refuses who is not signed in, and changes asked for by other sites."""
    access: Access = request.app.state.access
    actor = access.actor(request.cookies.get(COOKIE))
    if actor is None:
        raise SignedOutError
    if request.method not in _SAFE_METHODS and not is_same_origin(request.headers):
        raise ForeignOriginError
    supervisor: Supervisor = request.app.state.supervisor
    return Visit(request, supervisor, actor, supervisor.events.position)


SignedIn = Annotated[Visit, Depends(visit)]


@router.get("/login")
def login(request: Request, token: str = "") -> Response:
    """Exchange the secret of a link for a session; the address that stays in the browser does not have it."""
    access: Access = request.app.state.access
    session = access.redeem(token)
    if session is None:
        return HTMLResponse(render(request, "signed_out.html", {"used": True}), HTTPStatus.UNAUTHORIZED)
    answer = RedirectResponse(link(request, "home"), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_SECONDS,
        path=request.scope.get("root_path", "") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        # Strict would leave out the cookie on the way here from the link in a chat or a terminal.
        samesite="lax",
    )
    return answer


@router.post("/logout", name="logout")
def logout(request: Request, _: SignedIn) -> Response:
    """Sign out."""
    access: Access = request.app.state.access
    access.end_session(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(link(request, "home"), HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, path=request.scope.get("root_path", "") or "/")
    return answer
