"""Nothing of the API is open: every route, whatever is sent to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from livegraft.access import COOKIE
from tests.support.api import Api


def routes(api: Api) -> list[tuple[str, str]]:
    """Method and path of every operation, from the document that describes them all."""
    paths: dict[str, dict[str, Any]] = api.get("/openapi.json")["paths"]
    found = [(method.upper(), path) for path, operations in paths.items() for method in operations]
    assert len(found) > 15
    return [*found, ("GET", "/openapi.json")]


def filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "takes", path)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic d3Jvbmc6d3Jvbmc="},
        {"Cookie": f"{COOKIE}=wrong"},
        {"Cookie": f"{COOKIE}="},
    ],
    ids=str,
)
def test_every_route_refuses_who_has_no_access(api: Api, headers: dict[str, str]) -> None:
    for method, path in routes(api):
        answer = api.send(method, filled(path), headers=headers, content=b"{broken")

        assert answer.status_code == 401, f"{method} {path}"
        assert answer.json()["error"]["code"] == "unauthorized"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_that_is_mounted_is_described(api: Api) -> None:
    from livegraft.api.app import router

    mounted = {route.path for route in router.routes}  # type: ignore[attr-defined]

    assert {re.sub(r":path\}", "}", path) for path in mounted} == {path for _, path in routes(api)}


def test_every_answer_is_described_field_by_field(api: Api) -> None:
    document = api.get("/openapi.json")
    answers = [
        (path, answer["content"]["application/json"]["schema"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status.startswith("2") and "application/json" in answer.get("content", {})
    ]

    assert len(answers) > 30
    for path, schema in answers:
        name = schema.get("$ref", "").rpartition("/")[2]
        assert document["components"]["schemas"][name]["properties"], path


def signed_in(api: Api) -> dict[str, str]:
    session = api.access.redeem(api.access.new_login_token())
    return {"Cookie": f"{COOKIE}={session}"}


def test_a_session_of_the_pages_may_read(api: Api) -> None:
    assert api.send("GET", "/scripts", headers=signed_in(api)).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{origin}"},
    ],
    ids=str,
)
def test_every_change_with_a_session_must_come_from_our_own_pages(api: Api, origin: dict[str, str]) -> None:
    headers = signed_in(api) | {name: value.format(origin=api.origin) for name, value in origin.items()}
    for method, path in routes(api):
        if method != "GET":
            answer = api.send(method, filled(path), headers=headers)
            assert answer.status_code == 403, f"{method} {path}"
            assert answer.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("origin", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "{origin}"}], ids=str)
def test_a_change_from_our_own_pages_is_made(api: Api, origin: dict[str, str]) -> None:
    origin = {name: value.format(origin=api.origin) for name, value in origin.items()}

    answer = api.send("POST", "/scripts/takes/runs", headers=signed_in(api) | origin)

    assert answer.status_code == 201
    assert answer.json()["actor"] == "link"


def test_a_session_that_was_ended_is_refused(api: Api) -> None:
    session = api.access.redeem(api.access.new_login_token())
    assert session is not None
    api.access.end_session(session)

    assert api.send("GET", "/scripts", headers={"Cookie": f"{COOKIE}={session}"}).status_code == 401
