"""A PostgreSQL server that ends under a running host: what goes on, what is refused, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from livegraft.errors import StoreError
from livegraft.run import RunState
from livegraft.store.opening import open_store
from tests.support.api import Api, an_api
from tests.support.postgresql import NoServerError, OwnServer, a_server
from tests.support.waiting import eventually

SLOW = """
import pathlib
import time

def run(until: str) -> str:
    print("begun")
    while not pathlib.Path(until).exists():
        time.sleep(0.01)
    print("over")
    return "done"
"""
FILES = {
    "quick.py": "def run() -> int:\n    return 1\n",
    "slow.py": SLOW,
    "pricing.py": "def quote():\n    return 1\n",
}


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    """One that ends and starts at will, and has on its disk what it said it has."""
    try:
        with a_server("synchronous_commit=on") as server:
            yield server
    except NoServerError as error:
        pytest.skip(f"without PostgreSQL: {error}")


@pytest.fixture
def address(server: OwnServer) -> Iterator[str]:
    name = server.make_history()
    yield server.address(name)
    server.drop_database(name)


@pytest.fixture
def api(address: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(tmp_path, FILES, store=address) as api:
        yield api


@pytest.fixture
def visitor(api: Api) -> Iterator[httpx.Client]:
    """Somebody who has logged in to the pages."""
    with httpx.Client(base_url=api.origin, timeout=30) as visitor:
        visitor.get("/login", params={"token": api.access.new_login_token()})
        yield visitor


def test_live_code_and_runs_go_on_starts_are_refused_and_all_is_written_when_it_is_back(
    server: OwnServer, api: Api, visitor: httpx.Client, address: str, tmp_path: Path
) -> None:
    host, go = api.host, tmp_path / "go"
    supervisor = host.supervisor
    acknowledged = [supervisor.run("quick") for _ in range(5)]
    assert [run.result for run in acknowledged] == [1] * 5
    slow = supervisor.run("slow", until=str(go))
    eventually(lambda: slow.output == "begun\n")

    server.stop(immediately=True)

    assert host.live.pricing.quote() == 1
    with pytest.raises(StoreError, match="start the server"):
        supervisor.run("quick")
    refused = api.post("/scripts/quick/runs", {"arguments": {}}, HTTPStatus.SERVICE_UNAVAILABLE)
    assert "start the server" in refused["error"]["message"]
    host.repository.commit_files({"pricing.py": "def quote():\n    return 2\n"})
    with pytest.raises(StoreError, match="start the server"):
        host.sync()
    assert host.live.pricing.quote() == 1
    assert "start the server" in supervisor.sync_status.error
    page = visitor.get("/runs")
    assert (page.status_code, "start the server" in page.text) == (HTTPStatus.SERVICE_UNAVAILABLE, True)
    eventually(lambda: "start the server" in supervisor.health()["history"], 30)
    assert supervisor.health()["status"] == "degraded"
    go.touch()
    eventually(lambda: slow.state is RunState.SUCCEEDED)

    server.start()

    assert supervisor.run("quick").result == 1
    assert visitor.get("/runs").status_code == HTTPStatus.OK
    eventually(lambda: supervisor.health()["history"] == "ok", 30)
    host.sync()
    assert host.live.pricing.quote() == 2
    slow.wait(30)
    with closing(open_store(address, tmp_path)) as other:
        found = other.runs.get(slow.id)
        assert found is not None
        assert (found.state, found.result and found.result.value) == (RunState.SUCCEEDED, "done")
        assert other.runs.output(slow.id) == b"begun\nover\n"
        states = [run.state for run in map(other.runs.get, [each.id for each in acknowledged]) if run is not None]
        assert states == [RunState.SUCCEEDED] * 5
        assert other.runs.open() == []


def test_a_restart_between_two_calls_is_not_noticed(server: OwnServer, api: Api) -> None:
    assert api.host.supervisor.run("quick").result == 1

    server.stop()
    server.start()

    assert api.host.supervisor.run("quick").result == 1
