"""Runs that are started once for many requests, and runs that repeat others."""

from __future__ import annotations

from livegraft.version import VersionState
from tests.support.api import Api

COUNTING = """
VALUE = {0}
calls = []

def run(name: str = "x") -> str:
    calls.append(name)
    return f"{name} {VALUE} {len(calls)}"
"""


def counting(script: str, value: int) -> dict[str, str]:
    """Each test has a script of its own: they share the host, and with it the state of equal code."""
    return {f"{script}.py": f'"""{script}"""\n' + COUNTING.replace("{0}", str(value))}


def test_requests_that_give_one_idempotency_key_start_one_run(api: Api) -> None:
    api.host.take(counting("a", 1))
    headers = {**api.bearer, "Idempotency-Key": "order-7"}

    answers = [api.send("POST", "/scripts/a/runs?wait=20", headers, json={}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.json()["id"] for answer in answers] == [answers[0].json()["id"]] * 2
    assert [answer.json()["result"] for answer in answers] == ["x 1 1"] * 2


def test_a_run_is_repeated_on_the_live_version_with_the_same_or_other_arguments(api: Api) -> None:
    api.host.take(counting("b", 1))
    first = api.run("b", name="dana")
    api.host.take(counting("b", 2))

    same = api.post(f"/runs/{first['id']}/rerun?wait=20", status=201)
    other = api.post(f"/runs/{first['id']}/rerun?wait=20", {"arguments": {"name": "kim"}}, 201)

    assert (first["result"], same["result"], other["result"]) == ("dana 1 1", "dana 2 1", "kim 2 2")
    assert (same["origin"], same["attempt"]) == (first["id"], 1)


def test_a_run_is_repeated_on_the_version_that_it_had(api: Api) -> None:
    api.host.take(counting("c", 1))
    first = api.run("c")
    api.host.take(counting("c", 2))
    api.host.wait_for("c", first["version"]["key"], VersionState.UNLOADED)

    again = api.post(f"/runs/{first['id']}/rerun?wait=20", {"original": True}, 201)

    assert again["result"] == "x 1 1"
    assert again["version"] == first["version"]
    assert api.run("c")["result"] == "x 2 1"
    api.host.wait_for("c", first["version"]["key"], VersionState.UNLOADED)


def test_an_earlier_version_is_run_once_and_the_live_one_stays(api: Api) -> None:
    api.host.take(counting("e", 1))
    first = api.host.key("e")
    api.host.take(counting("e", 2))

    body = {"version": first[:8], "arguments": {"name": "kim"}}
    run = api.post("/scripts/e/runs?wait=20", body, 201)

    assert (run["result"], run["version"]["key"], run["origin"]) == ("kim 1 1", first, None)
    assert api.run("e")["result"] == "x 2 1"
    told = next(row for row in api.get("/audit")["audit"] if row["detail"].get("run") == run["id"])
    assert told["detail"]["version"] == first
    api.host.wait_for("e", first, VersionState.UNLOADED)


def test_a_version_that_never_was_or_a_later_time_of_an_earlier_one_is_refused(api: Api) -> None:
    api.host.take(counting("f", 1))

    assert api.post("/scripts/f/runs", {"version": "0123abcd"}, 404)["error"]["code"] == "not_found"
    later = {"version": api.host.key("f"), "at": "2036-01-01T00:00:00Z"}
    assert "either at or version" in api.post("/scripts/f/runs", later, 422)["error"]["message"]


def test_a_run_that_is_nowhere_is_not_repeated(api: Api) -> None:
    api.host.take(counting("d", 1))

    assert api.post("/runs/0123456789abcdef/rerun", status=404)["error"]["code"] == "not_found"


def test_a_concurrency_key_that_is_no_parameter_keeps_the_version_from_going_live(api: Api) -> None:
    header = '# /// script\n# [tool.livegraft]\n# concurrency = { limit = 1, key = "customr" }\n# ///\n'

    told = api.host.take({"a.py": f"{header}def run(customer: str) -> None: ...\n"})

    assert told["a"].failure is not None
    assert "customer" in told["a"].failure.message
    assert told["a"].failure.line == 3
