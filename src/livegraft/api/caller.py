"""Who calls the API: checked for every route, before anything else."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from livegraft.access import BY_TOKEN, COOKIE, Access, is_same_origin
from livegraft.supervisor import Supervisor

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


def caller(request: Request) -> str:
    """The actor behind a request: by its token, or by the pages' session and from our pages only."""
    access: Access = request.app.state.access
    if access.check_bearer(request.headers.get("authorization")):
        return BY_TOKEN
    actor = access.actor(request.cookies.get(COOKIE))
    if actor is None:
        raise HTTPException(401, "expected 'Authorization: Bearer TOKEN' with the token of this server")
    if request.method not in _SAFE_METHODS and not is_same_origin(request.headers):
        raise HTTPException(403, "expected a change to be asked for by a page of this server")
    return actor


def _supervisor(request: Request) -> Supervisor:
    supervisor: Supervisor = request.app.state.supervisor
    return supervisor


Caller = Annotated[str, Depends(caller)]
Core = Annotated[Supervisor, Depends(_supervisor)]
