"""Who calls the API, and with what: checked for every route, before anything else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from livegraft.access import BY_TOKEN, COOKIE, Access, is_same_origin
from livegraft.supervisor import Supervisor

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

described_access: Final = HTTPBearer(auto_error=False, description="the token of this server")
"""Says in the OpenAPI document how to call; ``GuardedRoute`` is what refuses."""


def known_actor(request: Request) -> str | None:
    """Who sent a request, by its token or by the pages' session; None when neither is valid (any more)."""
    access: Access = request.app.state.access
    if access.check_bearer(request.headers.get("authorization")):
        return BY_TOKEN
    return access.actor(request.cookies.get(COOKIE))


def caller(request: Request) -> str:
    """The actor behind a request; one with a session may ask for changes from our pages only."""
    actor = known_actor(request)
    if actor is None:
        raise HTTPException(
            401,
            "expected 'Authorization: Bearer TOKEN' with the token of this server",
            {"WWW-Authenticate": "Bearer"},
        )
    by_session = actor != BY_TOKEN
    if by_session and request.method not in _SAFE_METHODS and not is_same_origin(request.headers):
        raise HTTPException(403, "expected a change to be asked for by a page of this server")
    return actor


def first_route(request: Request) -> Route:
    """The first of the routes that know the path of a request, whatever its method."""
    routes: Sequence[Route] = request.app.state.routes
    return next(route for route in routes if route.matches(request.scope)[0] is not Match.NONE)


class GuardedRoute(APIRoute):
    """A route that asks who calls before it reads the body, and refuses what it does not know in the query."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        asking = (self.dependant, *self.dependant.dependencies)
        known = {parameter.alias for each in asking for parameter in each.query_params}

        async def guarded(request: Request) -> Response:
            caller(request)
            unknown = sorted(request.query_params.keys() - known)
            if unknown and first_route(request) is not self:
                raise HTTPException(405)  # it names what only takes another method, and has the parameters of that
            if unknown:
                message = f"expected one of {', '.join(sorted(known)) or 'no parameters'}"
                raise RequestValidationError([{"loc": ("query", name), "msg": message} for name in unknown])
            return await handle(request)

        return guarded


def _supervisor(request: Request) -> Supervisor:
    supervisor: Supervisor = request.app.state.supervisor
    return supervisor


Caller = Annotated[str, Depends(caller)]
Core = Annotated[Supervisor, Depends(_supervisor)]
