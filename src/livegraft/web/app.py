"""The ASGI app of the pages, with the API mounted beside them."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from livegraft.access import Access
from livegraft.api.app import build_api
from livegraft.errors import (
    ArgumentsError,
    BusyError,
    ConflictError,
    LivegraftError,
    LoadError,
    MirrorError,
    NotFoundError,
    NotRunnableError,
    StoreError,
)
from livegraft.shared_data import SharedDataError
from livegraft.supervisor import Supervisor
from livegraft.web import session
from livegraft.web.compression import Compression
from livegraft.web.headers import SecurityHeaders
from livegraft.web.pages import access as access_page
from livegraft.web.pages import (
    audit,
    changes,
    failures,
    home,
    jump,
    releases,
    run,
    runs,
    script,
    scripts,
    shared,
    slots,
    system,
    webhook,
)
from livegraft.web.rendering import link, query, render
from livegraft.web.static_files import StaticFilesByContent

_SCREENS: Final = (
    home, scripts, changes, script, runs, run, slots, releases, failures, system, shared, audit, access_page, jump,
)  # fmt: skip

_STATUS: Final[dict[type[LivegraftError], HTTPStatus]] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ArgumentsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    SharedDataError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ConflictError: HTTPStatus.CONFLICT,
    NotRunnableError: HTTPStatus.CONFLICT,
    LoadError: HTTPStatus.CONFLICT,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    MirrorError: HTTPStatus.BAD_GATEWAY,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What a person is told with which status; other errors of ours are 500."""


class _ApiMount(Mount):
    """Takes paths with line ends too: else the pages would answer them, as pages."""

    def __init__(self, path: str, app: ASGIApp, name: str) -> None:
        super().__init__(path, app, name=name)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def build(supervisor: Supervisor) -> FastAPI:
    """The pages at ``/`` and the API at ``/api/v1``, to be served or mounted below any prefix."""
    access = Access.of(supervisor)
    app = FastAPI(title="livegraft", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.supervisor = supervisor
    app.state.access = access
    app.state.addresses = {}
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Compression)
    app.router.routes.append(_ApiMount("/api/v1", build_api(supervisor, access), name="api"))
    app.mount("/static", StaticFilesByContent(), name="static")
    app.include_router(session.router)
    app.include_router(webhook.router)
    for screen in _SCREENS:
        app.include_router(screen.router)
    app.add_exception_handler(session.SignedOutError, _signed_out)
    app.add_exception_handler(session.ForeignOriginError, _foreign_origin)
    app.add_exception_handler(LivegraftError, _refused)
    app.add_exception_handler(HTTPException, _no_such_page)
    return app


def _signed_out(request: Request, error: Exception) -> Response:
    return HTMLResponse(render(request, "signed_out.html", {"used": False}), HTTPStatus.UNAUTHORIZED)


def _foreign_origin(request: Request, error: Exception) -> Response:
    message = "Changes must be asked for by the pages of livegraft."
    return _error_page(request, HTTPStatus.FORBIDDEN, "Not from here", message)


def _refused(request: Request, error: Exception) -> Response:
    """An error of ours, in its own words."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), HTTPStatus(500))
    if isinstance(error, NotFoundError):
        return _not_found(request, error)
    return _error_page(request, status, "That did not work", str(error))


def _not_found(request: Request, error: NotFoundError) -> Response:
    """A script that left the repository has no page any more, but its runs are still there."""
    back = None
    if error.kind == "script":
        back = (link(request, "runs") + query(script=error.name), "Its runs")
    return _error_page(request, HTTPStatus.NOT_FOUND, f"No such {error.kind}", str(error), back)


def _no_such_page(request: Request, error: Exception) -> Response:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return _error_page(request, status, status.phrase, "There is no such page here.")


def _error_page(
    request: Request, status: HTTPStatus, title: str, message: str, back: tuple[str, str] | None = None
) -> Response:
    return HTMLResponse(render(request, "error.html", {"title": title, "message": message, "back": back}), status)
