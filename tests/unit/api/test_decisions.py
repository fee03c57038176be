"""What people decide by the API: quarantine, pin, hold, sync; and what they read of commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api, an_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with an_api(tmp_path, {"job.py": "def run(): return 'first'", "other.py": "def run(): ..."}) as api:
        yield api


def test_a_quarantined_script_takes_no_runs_until_it_is_released(api: Api) -> None:
    api.post("/scripts/job/quarantine", {"reason": "wrong totals"})

    error = api.post("/scripts/job/runs", status=409)["error"]
    assert error["code"] == "not_runnable"
    assert "wrong totals" in error["message"]
    assert api.get("/scripts/job")["state"] == "quarantined"

    api.post("/scripts/job/release")
    assert api.run("job")["state"] == "succeeded"
    assert [row["action"] for row in api.get("/audit")["audit"]] == ["run", "lift quarantine", "quarantine"]


def test_a_pin_rolls_back_and_stays_until_it_is_lifted(api: Api) -> None:
    first = api.host.key("job")
    api.host.take({"job.py": "def run(): return 'second'"})

    assert api.post("/scripts/job/pin", {"key": first[:8]})["version"]["key"] == first
    api.host.take({"job.py": "def run(): return 'third'"})
    assert api.run("job")["result"] == "first"

    api.post("/scripts/job/unpin")
    assert api.run("job")["result"] == "third"


def test_a_held_repository_stays_at_its_release_until_somebody_lets_go(api: Api) -> None:
    assert api.post("/hold", {"reason": "fair days"})["held"]["reason"] == "fair days"

    api.host.take({"job.py": "def run(): return 'later'"})
    assert api.run("job")["result"] == "first"

    api.post("/let-go")
    api.post("/sync")
    assert api.run("job")["result"] == "later"


def test_a_sync_that_cannot_read_the_repository_says_so_and_keeps_what_is_live(api: Api) -> None:
    path = api.host.repository.path
    path.rename(path.with_name("gone"))

    assert api.post("/sync", status=502)["error"]["code"] == "mirror"
    assert api.run("job")["state"] == "succeeded"
    assert api.get("/health", status=503)["sync"] == "failing"

    path.with_name("gone").rename(path)
    api.post("/sync")
    assert api.get("/health")["status"] == "ok"


def test_releases_tell_their_steps_and_what_they_did(api: Api) -> None:
    api.host.take({"job.py": "def run(:"}, "break it")

    release = api.get("/releases")["releases"][0]

    assert (release["subject"], release["author"], release["state"]) == ("break it", "Dana Author", "live")
    assert {"seen", "fetched", "planned", "loaded", "live"} <= release["steps"].keys()
    assert [(each["script"], each["outcome"]) for each in release["scripts"]] == [("job", "failed")]
    assert release["scripts"][0]["error"]["line"] == 1
    assert release["unchanged"] == 1


def test_a_sync_tells_what_happened_since_the_one_before(api: Api) -> None:
    def outcomes() -> dict[str, str]:
        return {each["script"]: each["outcome"] for each in api.post("/sync")["scripts"]}

    assert outcomes() == {"job": "loaded", "other": "loaded"}
    assert outcomes() == {"job": "unchanged", "other": "unchanged"}
    api.host.repository.delete("other.py")
    api.host.repository.commit_files({"job.py": "def run(): return 2", "new.py": "def run(): ..."})
    assert outcomes() == {"job": "loaded", "new": "loaded", "other": "removed"}
    assert outcomes() == {"job": "unchanged", "new": "unchanged"}
