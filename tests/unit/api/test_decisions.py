"""What people decide by the API: quarantine, pin, hold, sync; and what they read of commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.errors import UnloadedVersionError
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


def test_a_quarantined_script_has_no_next_time(api: Api) -> None:
    api.host.take({"timed.py": "# cron: 0 7 * * *\ndef run(): ..."})

    def next_at() -> str | None:
        (schedule,) = api.get("/scripts/timed")["schedule"]
        return schedule["next_at"]  # type: ignore[no-any-return]

    assert next_at()
    api.post("/scripts/timed/quarantine", {"reason": "wrong totals"})
    assert next_at() is None

    api.post("/scripts/timed/release")
    assert next_at()


def test_a_pin_rolls_back_and_stays_until_it_is_lifted(api: Api) -> None:
    first = api.host.key("job")
    api.host.take({"job.py": "def run(): return 'second'"})

    assert api.post("/scripts/job/pin", {"key": first[:8]})["version"]["key"] == first
    api.host.take({"job.py": "def run(): return 'third'"})
    assert api.run("job")["result"] == "first"

    api.post("/scripts/job/unpin")
    assert api.run("job")["result"] == "third"


def test_a_release_is_rolled_back_after_telling_what_changes_and_that_is_undone(api: Api) -> None:
    first = api.host.key("job")
    api.host.take({"job.py": "def run(): return 'second'", "new.py": "def run(): ..."})
    revision, second = api.host.repository.git("rev-parse", "HEAD"), api.host.key("job")
    path = f"/releases/{revision[:8]}"

    plan = api.get(f"{path}/roll-back")
    assert [(each["script"], each["now"], each["to"]["key"]) for each in plan["returns"]] == [("job", second, first)]
    assert [each["script"] for each in plan["remains"]] == ["new"]
    assert api.run("job")["result"] == "second"

    assert api.post(f"{path}/roll-back", {"reason": "wrong totals"})["pinned"] == ["job"]
    assert api.run("job")["result"] == "first"
    assert api.get("/scripts/job")["pin"]["reason"] == f"roll back of {revision[:8]}: wrong totals"
    assert api.post(f"{path}/roll-back", status=409)["error"]["code"] == "conflict"

    assert api.post(f"{path}/undo-roll-back") == {"unpinned": ["job"]}
    assert api.run("job")["result"] == "second"
    assert api.post(f"{path}/undo-roll-back", status=409)["error"]["code"] == "conflict"
    assert api.get("/releases/0123456789/roll-back", status=404)["error"]["code"] == "not_found"


def test_a_held_repository_stays_at_its_release_until_somebody_lets_go(api: Api) -> None:
    assert api.post("/hold", {"reason": "fair days"})["held"]["reason"] == "fair days"

    api.host.take({"job.py": "def run(): return 'later'"})
    assert api.run("job")["result"] == "first"
    assert "held" in api.post("/sync")["error"]

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


def test_a_sync_answers_when_the_newest_commit_is_live(api: Api) -> None:
    revision = api.host.repository.commit_files({"job.py": "def run(): return 2"})

    report = api.post("/sync")

    assert (report["revision"], report["state"], report["error"]) == (revision, "live", "")
    assert api.run("job")["result"] == 2


def test_a_sync_tells_why_a_script_failed_and_the_last_good_version_serves(api: Api) -> None:
    api.host.repository.commit_files({"job.py": "def run(: pass"})

    failed = next(each for each in api.post("/sync")["scripts"] if each["script"] == "job")

    assert (failed["outcome"], failed["error"]["path"], failed["error"]["line"]) == ("failed", "job.py", 1)
    assert api.run("job")["result"] == "first"


def test_releases_are_listed_newest_first_page_by_page(api: Api) -> None:
    api.host.take({"job.py": "def run(): return 2"})

    newest = api.get("/releases?limit=1")
    older = api.get(f"/releases?before={newest['next']}")

    assert [each["state"] for each in newest["releases"] + older["releases"]] == ["live", "superseded"]
    assert older["next"] is None


def test_a_quarantine_says_who_when_and_why_and_is_released_once(api: Api) -> None:
    quarantine = api.post("/scripts/job/quarantine", {"reason": "wrong totals"})["quarantine"]

    assert (quarantine["reason"], quarantine["actor"]) == ("wrong totals", "token")
    assert quarantine["at"].endswith("Z")
    assert api.post("/scripts/job/release")["quarantine"] is None
    assert api.post("/scripts/job/release", status=409)["error"]["code"] == "conflict"


@pytest.mark.parametrize("named_by", ["key", "revision"])
def test_a_version_to_pin_is_named_by_its_key_or_by_the_revision_that_brought_it(api: Api, named_by: str) -> None:
    first = api.get("/scripts/job")["version"]
    api.host.take({"job.py": "def run(): return 'second'"})

    pinned = api.post("/scripts/job/pin", {named_by: first[named_by][:10], "reason": "it was better"})

    assert pinned["version"]["key"] == first["key"]
    assert (pinned["pinned"], pinned["pin"]["reason"]) == (True, "it was better")


@pytest.mark.parametrize("body", [{}, {"key": "a", "revision": "b"}, {"reason": "x"}], ids=str)
def test_a_pin_names_exactly_one_version(api: Api, body: dict[str, str]) -> None:
    api.post("/scripts/job/pin", body, 422)


@pytest.mark.parametrize("body", [{"key": "ffff"}, {"revision": "ffff"}], ids=str)
def test_a_version_that_never_was_cannot_be_pinned(api: Api, body: dict[str, str]) -> None:
    assert api.post("/scripts/job/pin", body, 404)["error"]["code"] == "not_found"
    assert api.get("/scripts/job")["pinned"] is False


def test_the_audit_names_every_run_that_was_asked_for(api: Api) -> None:
    run = api.run("job")

    (entry,) = api.get("/audit?limit=1")["audit"]
    assert (entry["action"], entry["subject"], entry["actor"]) == ("run", "job", "token")
    assert entry["detail"]["run"] == run["id"]
    assert api.get(f"/audit?before={entry['id']}")["audit"] == []


def test_a_held_version_is_scrubbed_and_what_its_code_does_then_fails(api: Api) -> None:
    api.host.take({"job.py": "RATE = 2\ndef price(): return RATE * 10\ndef run(): ..."})
    superseded, price = api.host.key("job"), api.host.live.job.price
    assert api.post("/versions/job/scrub", {"key": superseded}, status=409)["error"]["code"] == "conflict"
    api.host.take({"job.py": "def run(): ..."})

    scrubbed = api.post("/versions/job/scrub", {"key": superseded[:8]})

    assert scrubbed["key"] == superseded
    assert any("because token scrubbed it" in text for text in scrubbed["undone"])
    with pytest.raises(UnloadedVersionError, match="token scrubbed it"):
        price()
    assert [(row["actor"], row["action"]) for row in api.get("/audit?limit=1")["audit"]] == [("token", "scrub")]
    assert api.post("/versions/job/scrub", {"key": "fff"}, status=404)["error"]["code"] == "not_found"


def test_what_failed_is_loaded_again_at_the_same_commit_when_a_person_says_so(api: Api, tmp_path: Path) -> None:
    service = tmp_path / "service"
    client = f"from pathlib import Path\nANSWER = Path({str(service)!r}).read_text()\n"
    api.host.take({"client.py": client, "asks.py": "from client import ANSWER\ndef run(): return ANSWER"})
    service.write_text("here again", encoding="ascii")
    api.post("/sync")
    assert api.get("/scripts/asks")["state"] == "failed"

    retried = api.post("/scripts/asks/retry")

    assert (retried["state"], retried["error"]) == ("live", None)
    assert api.run("asks")["result"] == "here again"
    assert [each["key"] for each in api.get("/scripts/asks")["versions"]] == [retried["version"]["key"]]
    newest = api.get("/releases")["releases"][0]
    assert {each["script"]: each["outcome"] for each in newest["scripts"]} == {"asks": "loaded"}
    assert "retry" in [row["action"] for row in api.get("/audit")["audit"]]
    assert api.post("/scripts/asks/retry", status=409)["error"]["code"] == "conflict"


def test_a_retry_that_fails_tells_why_and_leaves_what_serves(api: Api) -> None:
    live = api.host.key("job")
    api.host.take({"job.py": "raise OSError('no service')\ndef run(): ..."})

    retried = api.post("/scripts/job/retry")

    assert "no service" in retried["error"]["message"]
    assert api.run("job")["result"] == "first"
    assert api.host.key("job") == live
