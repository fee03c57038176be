"""What is refused, and that it is always said in one shape."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from livegraft import errors
from livegraft.api.errors import STATUS_OF_CODE
from livegraft.errors import LivegraftError
from tests.support.api import Api, an_api

HUGE = 10**30


def kinds_of_errors(root: type[LivegraftError]) -> set[type[LivegraftError]]:
    return {root}.union(*(kinds_of_errors(kind) for kind in root.__subclasses__()))


def test_every_error_of_ours_has_a_status() -> None:
    codes = {kind.code for kind in kinds_of_errors(errors.LivegraftError)}

    assert codes - STATUS_OF_CODE.keys() == set()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("GET", "/scripts/", None, 404, "not_found"),
        ("GET", "/scripts/dir/great", None, 404, "not_found"),
        ("POST", "/scripts/dir/great/runs", None, 404, "not_found"),
        ("POST", "/scripts/dir/great/quarantine", {"reason": "x"}, 404, "not_found"),
        ("POST", "/scripts/dir/great/unpin", None, 404, "not_found"),
        ("GET", "/runs/nothing", None, 404, "not_found"),
        ("GET", "/runs/nothing/output", None, 404, "not_found"),
        ("GET", "/runs/nothing/output?follow=1", None, 404, "not_found"),
        ("POST", "/runs/nothing/cancel", None, 404, "not_found"),
        ("DELETE", "/runs", None, 405, "method_not_allowed"),
        ("POST", "/scripts", None, 405, "method_not_allowed"),
        ("GET", "/scripts/takes/runs?wait=1", None, 405, "method_not_allowed"),
        ("GET", "/scripts/takes?wait=1", None, 422, "invalid_request"),
        ("POST", "/scripts/broken/runs", None, 409, "not_runnable"),
        ("POST", "/scripts/takes/release", None, 409, "conflict"),
        ("POST", "/scripts/takes/unpin", None, 409, "conflict"),
        ("POST", "/let-go", None, 409, "conflict"),
        ("POST", "/scripts/dir/greet/runs", {"arguments": {"times": "many"}}, 422, "arguments"),
        ("POST", "/scripts/dir/greet/runs", {"arguments": {"tmies": 1}}, 422, "arguments"),
        ("POST", "/scripts/dir/greet/runs", {"arguments": []}, 422, "invalid_request"),
        ("POST", "/scripts/dir/greet/runs", {"arguments": {}, "state": "succeeded"}, 422, "invalid_request"),
        ("POST", "/scripts/dir/greet/runs", [1], 422, "invalid_request"),
        ("POST", "/scripts/dir/greet/runs?wait=-1", None, 422, "invalid_request"),
        ("POST", "/scripts/dir/greet/runs?wait=nan", None, 422, "invalid_request"),
        ("POST", "/scripts/dir/greet/runs?wait=inf", None, 422, "invalid_request"),
        ("POST", "/scripts/takes/quarantine", {}, 422, "invalid_request"),
        ("POST", "/scripts/takes/quarantine", {"reason": ""}, 422, "invalid_request"),
        ("POST", "/scripts/takes/quarantine", {"reason": "x", "actor": "somebody"}, 422, "invalid_request"),
        ("POST", "/scripts/takes/release", {"reason": "x"}, 422, "invalid_request"),
        ("POST", "/scripts/takes/unpin", {"reason": "x"}, 422, "invalid_request"),
        ("POST", "/runs/nothing/cancel", {"reason": "x"}, 422, "invalid_request"),
        ("POST", "/sync", {"accept_rewritten": 1}, 422, "invalid_request"),
        ("POST", "/let-go", {"reason": "x"}, 422, "invalid_request"),
        ("POST", "/links", {"reason": "x"}, 422, "invalid_request"),
        ("POST", "/hold", {"reason": "x" * 1001}, 422, "invalid_request"),
        ("GET", "/runs?limit=0", None, 422, "invalid_request"),
        ("GET", "/runs?limit=501", None, 422, "invalid_request"),
        ("GET", "/runs?state=done", None, 422, "invalid_request"),
        ("GET", "/runs?sript=a", None, 422, "invalid_request"),
        ("GET", "/runs?until=0.5", None, 422, "invalid_request"),
        ("GET", "/audit?since=1764230400", None, 422, "invalid_request"),
        ("GET", "/slots?since=2026-11-27", None, 422, "invalid_request"),
        ("POST", "/scripts/takes/runs", {"at": 1764230400}, 422, "invalid_request"),
        ("POST", "/scripts/takes/backfill", {"first": 0, "last": 1}, 422, "invalid_request"),
        ("GET", "/releases?before=x", None, 422, "invalid_request"),
        ("GET", f"/releases?before={HUGE}", None, 422, "invalid_request"),
        ("GET", f"/audit?before={HUGE}", None, 422, "invalid_request"),
        ("GET", f"/runs/nothing/output?offset={HUGE}", None, 422, "invalid_request"),
        ("GET", f"/runs/nothing/output?offset={(1 << 63) - 1}", None, 422, "invalid_request"),
    ],
)
def test_a_refusal_has_one_shape(api: Api, method: str, path: str, body: Any, status: int, code: str) -> None:
    answer = api.send(method, path, **({} if body is None else {"json": body}))

    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]


def test_a_typo_in_a_name_is_answered_with_the_nearest(api: Api) -> None:
    error = api.post("/scripts/dir/great/runs", status=404)["error"]

    assert error["message"] == "found no script 'dir/great'; did you mean 'dir/greet'?"


def test_arguments_that_do_not_fit_are_listed_by_parameter(api: Api) -> None:
    error = api.post("/scripts/dir/greet/runs", {"arguments": {"times": "many", "nmae": 1}}, 422)["error"]

    assert error["problems"].keys() == {"times", "nmae"}


def test_an_unknown_query_parameter_is_named_with_those_that_are_known(api: Api) -> None:
    error = api.get("/slots?sript=a", 422)["error"]

    assert error["problems"] == {"sript": "expected one of before, limit, script, since, state, until"}


def test_a_method_that_is_not_allowed_tells_which_are(api: Api) -> None:
    answer = api.send("DELETE", "/runs")

    assert answer.headers["Allow"] == "GET"
    assert api.send("GET", "/scripts/takes/runs?wait=1").headers["Allow"] == "POST"
    assert answer.json()["error"]["message"] == "expected the method to be GET, got: DELETE /api/v1/runs"


@pytest.mark.parametrize(("body", "names"), [("PinBody", ["key", "revision"]), ("ManyBody", ["runs", "matching"])])
def test_the_description_of_a_body_says_that_it_takes_one_of_both(api: Api, body: str, names: list[str]) -> None:
    described = api.get("/openapi.json")["components"]["schemas"][body]

    assert [each["required"] for each in described["oneOf"]] == [[name] for name in names]


def test_the_description_of_a_start_says_that_it_takes_an_instant_or_a_version(api: Api) -> None:
    assert api.get("/openapi.json")["components"]["schemas"]["RunBody"]["not"]["required"] == ["at", "version"]


def test_a_path_that_is_not_there_tells_where_the_paths_are(api: Api) -> None:
    assert api.get("/rnus", 404)["error"]["message"] == (
        "expected a path that openapi.json lists, got: GET /api/v1/rnus"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"nonsense",
        b'{"arguments":',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"arguments": {"value": ' + b"9" * 5000 + b"}}",
    ],
    ids=["open", "word", "cut", "bytes", "deep", "long number"],
)
def test_a_body_that_is_no_json_is_the_callers_fault(api: Api, content: bytes) -> None:
    answer = api.send(
        "POST", "/scripts/takes/runs", {**api.bearer, "Content-Type": "application/json"}, content=content
    )

    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["code"] in {"bad_request", "invalid_request"}


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b'"\\ud800"', b'{"\\ud800": 1}'])
def test_values_that_json_cannot_tell_do_not_break_what_lists_them(api: Api, value: bytes) -> None:
    body = b'{"arguments": {"value": ' + value + b"}}"

    answer = api.send(
        "POST", "/scripts/takes/runs?wait=20", {**api.bearer, "Content-Type": "application/json"}, content=body
    )

    assert answer.status_code in {201, 422}
    json.loads(answer.text, parse_constant=lambda constant: pytest.fail(constant))
    api.get("/runs")


def test_a_form_of_another_site_is_not_taken_for_json(api: Api) -> None:
    answer = api.send(
        "POST", "/scripts/takes/quarantine", {**api.bearer, "Content-Type": "text/plain"}, content=b'{"reason": "x"}'
    )

    assert answer.status_code == 422
    assert api.get("/scripts/takes")["quarantined"] is False


def test_what_we_did_not_expect_is_told_to_the_log_and_not_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with an_api(tmp_path, {"a.py": "def run(): pass\n"}) as api:

        def fails(*args: object, **kwargs: object) -> None:
            raise RuntimeError("the secret is 42")

        monkeypatch.setattr(api.host.supervisor, "versions", fails)

        with caplog.at_level(logging.ERROR, "livegraft.api"):
            answer = api.send("GET", "/versions")

    assert (answer.status_code, answer.json()) == (500, {"error": {"code": "internal", "message": "internal error"}})
    assert "the secret is 42" in caplog.text


@pytest.mark.parametrize(("path", "methods"), [("/shared/a", "DELETE, GET"), ("/runs", "GET"), ("/sync", "POST")])
def test_all_methods_that_a_path_takes_are_told(api: Api, path: str, methods: str) -> None:
    answer = api.send("OPTIONS", path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == methods
    assert f"expected the method to be {methods}, got: OPTIONS" in answer.json()["error"]["message"]


def test_a_path_with_a_line_end_is_answered_by_the_api_too(api: Api) -> None:
    answer = api.send("GET", "/runs/a%0Ab/artifacts")

    assert answer.json()["error"]["code"] == "not_found"
