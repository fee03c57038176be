"""Finding runs by anything, and doing one thing with many of them."""

from __future__ import annotations

from tests.support import eventually
from tests.support.api import Api

WAITS = """
import time
from livegraft import cancelled

def run(n: int = 0):
    while not cancelled():
        time.sleep(0.005)
"""


def ids(api: Api, query: str) -> list[str]:
    return [run["id"] for run in api.get(f"/runs?{query}")["runs"]]


def states(api: Api, runs: list[str]) -> set[str]:
    return {api.get(f"/runs/{id}")["state"] for id in runs}


def test_runs_are_asked_for_by_anything(api: Api) -> None:
    head = '# /// script\n# [tool.livegraft]\n# tags = ["money"]\n# ///\n'
    api.host.take({"found/one.py": head + "def run(day='x'): return day", "found/two.py": "def run(): return 2"})
    one, two = api.run("found/one", day="a day in May"), api.run("found/two")

    assert ids(api, "script=found/") == [two["id"], one["id"]]
    assert ids(api, "tag=money") == ids(api, "script=found/&text=in+may") == [one["id"]]
    assert ids(api, f"version={two['version']['key'][:9]}") == [two["id"]]
    assert ids(api, "script=found/&state=failed&state=succeeded&trigger=api&actor=token") == [two["id"], one["id"]]
    assert ids(api, f"script=found/&until={two['queued_at']}") == [one["id"]]
    assert ids(api, "script=found/&since=2100-01-01T00:00:00Z") == []
    first = api.get("/runs?script=found/&limit=1")
    assert ids(api, f"script=found/&before={first['next']}") == [one["id"]]
    assert "since" in api.get("/runs?since=yesterday", 422)["error"]["message"]


def test_many_runs_are_cancelled_and_one_that_ended_is_told(api: Api) -> None:
    api.host.take({"many/waits.py": WAITS, "many/ends.py": "def run(): ..."})
    ended = api.run("many/ends")["id"]
    going = [api.start("many/waits", n=n) for n in range(3)]
    eventually(lambda: states(api, going) == {"running"}, what="they run")

    told = api.post("/runs/cancel", {"runs": [going[0], ended]})
    assert [each["refused"] and each["refused"]["code"] for each in told["done"]] == [None, "conflict"]

    told = api.post("/runs/cancel", {"matching": {"script": "many/"}})
    assert {each["run"] for each in told["done"]} >= set(going[1:])
    assert ended not in {each["run"] for each in told["done"]}
    eventually(lambda: states(api, going) == {"cancelled"}, what="they are cancelled")


def test_many_runs_are_repeated_the_oldest_first(api: Api) -> None:
    api.host.take({"again.py": "def run(n: int): return n"})
    first = [api.run("again", n=n)["id"] for n in range(3)]

    told = api.post("/runs/rerun", {"matching": {"script": "again"}})

    assert [each["run"] for each in told["done"]] == first
    again = [api.get(f"/runs/{each['again']}") for each in told["done"]]
    assert [(run["origin"], run["arguments"]) for run in again] == [(id, {"n": n}) for n, id in enumerate(first)]
    assert [each["action"] for each in api.get("/audit?subject=again&action=rerun")["audit"]] == ["rerun"] * 3
    assert api.post("/runs/rerun", {"runs": first, "matching": {}}, 422)["error"]["code"] == "invalid_request"
