"""One error shape for everything: ``{"error": {"code", "message", ...}}``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from livegraft.api.caller import first_route
from livegraft.errors import LivegraftError

logger = logging.getLogger(__name__)

STATUS_OF_CODE: Final = {
    "configuration": HTTPStatus.INTERNAL_SERVER_ERROR,
    "not_found": HTTPStatus.NOT_FOUND,
    "source": HTTPStatus.CONFLICT,
    "header": HTTPStatus.CONFLICT,
    "load": HTTPStatus.CONFLICT,
    "quarantined": HTTPStatus.CONFLICT,
    "contract": HTTPStatus.CONFLICT,
    "not_live": HTTPStatus.NOT_FOUND,
    "parameters": HTTPStatus.CONFLICT,
    "dependencies": HTTPStatus.CONFLICT,
    "restart_needed": HTTPStatus.CONFLICT,
    "environment": HTTPStatus.CONFLICT,
    "environment_pending": HTTPStatus.CONFLICT,
    "schedule": HTTPStatus.CONFLICT,
    "unloaded": HTTPStatus.CONFLICT,
    "arguments": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_runnable": HTTPStatus.CONFLICT,
    "run_failed": HTTPStatus.CONFLICT,
    "busy": HTTPStatus.TOO_MANY_REQUESTS,
    "conflict": HTTPStatus.CONFLICT,
    "mirror": HTTPStatus.BAD_GATEWAY,
    "shared_data": HTTPStatus.UNPROCESSABLE_ENTITY,
    "store": HTTPStatus.SERVICE_UNAVAILABLE,
    "error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The HTTP status of every error of ours, by its code."""


class Problem(BaseModel):
    """What went wrong. More fields tell details, by the code."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="short and stable, for programs")
    message: str = Field(description="for people")


class ErrorAnswer(BaseModel):
    """Every answer that is not the one asked for."""

    error: Problem


def answer(status: int, code: str, message: str, **details: Any) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, **details}}, status)


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(LivegraftError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LivegraftError)  # noqa: S101 - registered for these
    return answer(STATUS_OF_CODE[error.code], error.code, str(error), **error.details)


_OURS: Final = "Value error, "
"""How pydantic begins the message of a check that is ours."""


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these
    problems = {
        ".".join(map(str, each["loc"][1:])) or "body": each["msg"].removeprefix(_OURS) for each in error.errors()
    }
    listed = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
    return answer(422, "invalid_request", f"the request does not fit: {listed}", problems=problems)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    message = str(error.detail)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _methods(request)
    if message == status.phrase:  # nobody said more: the router found no route
        allowed = headers.get("Allow")
        expected = f"the method to be {allowed}" if allowed else "a path that openapi.json lists"
        message = f"expected {expected}, got: {request.method} {request.url.path}"
    refusal = answer(status, status.phrase.lower().replace(" ", "_"), message)
    refusal.headers.update(headers)
    return refusal


def _methods(request: Request) -> str:
    """All that the path takes: the router tells the methods of the first route that it finds."""
    routes: Sequence[Route] = request.app.state.routes
    path = first_route(request).path
    return ", ".join(sorted({name for route in routes if route.path == path for name in route.methods or ()}))


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(500, "internal", "internal error")
