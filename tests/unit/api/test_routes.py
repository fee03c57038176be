"""What each route answers: the shapes that programs rely on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from livegraft.api.app import MAX_OFFSET
from tests.support import eventually
from tests.support.api import Api, an_api

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def script(api: Api, name: str) -> Any:
    return next(each for each in api.get("/scripts")["scripts"] if each["name"] == name)


def test_a_script_is_listed_with_its_schedule_version_and_parameters(api: Api) -> None:
    found = script(api, "dir/greet")

    assert (found["state"], found["description"]) == ("live", "Greet somebody.")
    assert (found["error"], found["quarantined"], found["quarantine"]) == (None, False, None)
    (schedule,) = found["schedule"]
    assert (schedule["cron"], schedule["timezone"]) == ("0 7 * * *", "Europe/Berlin")
    assert UTC_TIME.fullmatch(schedule["next_at"])
    assert found["version"]["key"] == api.host.key("dir/greet")
    assert found["version"]["revision"] == api.host.repository.git("rev-parse", "HEAD")
    assert UTC_TIME.fullmatch(found["version"]["loaded_at"])
    assert found["parameters"]["properties"]["times"]["type"] == "integer"


def test_a_script_that_did_not_load_tells_where_and_whose_commit(api: Api) -> None:
    found = script(api, "broken")

    assert (found["state"], found["version"]) == ("failed", None)
    error = found["error"]
    assert (error["path"], error["line"], error["author"]) == ("broken.py", 2, "Dana Author")
    assert {"revision", "at", "type", "message", "traceback"} <= error.keys()


def test_scripts_are_listed_by_name(api: Api) -> None:
    names = [each["name"] for each in api.get("/scripts")["scripts"]]

    assert names == sorted(names)


def test_one_script_has_its_versions(api: Api) -> None:
    found = api.get("/scripts/dir/greet")

    (version,) = found.pop("versions")
    assert found == script(api, "dir/greet")
    assert (version["key"], version["live"], version["author"]) == (found["version"]["key"], True, "Dana Author")


def test_names_with_slashes_are_told_from_the_routes_behind_them(api: Api) -> None:
    assert api.get("/scripts/dir/greet/runs")["name"] == "dir/greet/runs"
    assert api.run("dir/greet/runs")["result"] == "nested"
    assert api.run("dir/greet")["result"] == {"greeted": "you"}
    assert api.get("/scripts/dir%2Fgreet")["name"] == "dir/greet"


def test_a_run_that_is_waited_for_answers_with_its_end(api: Api) -> None:
    run = api.run("dir/greet", name="Dana", times=2)

    assert (run["script"], run["state"], run["trigger"], run["actor"]) == ("dir/greet", "succeeded", "api", "token")
    assert run["version"] == {key: script(api, "dir/greet")["version"][key] for key in ("key", "revision")}
    assert run["arguments"] == {"name": "Dana", "times": 2}
    assert (run["result"], run["result_kind"], run["error"]) == ({"greeted": "Dana"}, "json", None)
    assert run["output_bytes"] == len("hello Dana\n" * 2)
    assert all(UTC_TIME.fullmatch(run[step]) for step in ("queued_at", "started_at", "ended_at"))
    assert api.get(f"/runs/{run['id']}") == run


def test_a_run_needs_no_body(api: Api) -> None:
    assert api.post("/scripts/dir/greet/runs?wait=20", status=201)["state"] == "succeeded"


def test_a_run_that_is_not_waited_for_answers_at_once(api: Api) -> None:
    run = api.post("/scripts/waits/runs", status=201)
    try:
        assert run["state"] in {"queued", "starting", "running"}
        assert (run["ended_at"], run["result"]) == (None, None)
    finally:
        api.post(f"/runs/{run['id']}/cancel")


def test_a_wait_that_is_too_short_answers_with_the_run_as_it_is(api: Api) -> None:
    run = api.post("/scripts/waits/runs?wait=0.05", status=201)
    try:
        assert run["state"] in {"queued", "starting", "running"}
    finally:
        api.post(f"/runs/{run['id']}/cancel")


def test_a_run_that_raised_tells_where(api: Api) -> None:
    run = api.run("fails")

    assert (run["state"], run["result"]) == ("failed", None)
    error = run["error"]
    assert (error["type"], error["message"], error["path"], error["line"]) == ("ValueError", "no stock", "fails.py", 3)
    assert 'File "fails.py", line 3' in error["traceback"]


def test_an_open_run_tells_its_progress_and_is_cancelled(api: Api) -> None:
    id = api.start("waits")

    progress = eventually(lambda: api.get(f"/runs/{id}")["progress"])
    assert progress == {"fraction": 0.5, "text": "half way"}

    api.post(f"/runs/{id}/cancel")
    assert eventually(lambda: api.get(f"/runs/{id}")["ended_at"])
    assert api.get(f"/runs/{id}")["state"] == "cancelled"


def test_output_is_text_from_an_offset_on(api: Api) -> None:
    id = api.run("dir/greet", name="Ä", times=2)["id"]

    answer = api.send("GET", f"/runs/{id}/output")

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == "hello Ä\nhello Ä\n"
    assert api.send("GET", f"/runs/{id}/output?offset=9").text == "hello Ä\n"
    assert api.send("GET", f"/runs/{id}/output?offset=999").text == ""
    assert api.send("GET", f"/runs/{id}/output?offset={MAX_OFFSET}").text == ""


def test_runs_are_listed_newest_first_page_by_page(api: Api) -> None:
    ids = [api.run("takes", value=n)["id"] for n in range(5)]

    first = api.get("/runs?script=takes&limit=2")
    second = api.get(f"/runs?script=takes&limit=2&before={first['next']}")

    assert [run["id"] for run in first["runs"] + second["runs"]] == ids[:0:-1]
    assert first["next"] == ids[3]


def test_runs_are_listed_by_state(api: Api) -> None:
    failed = api.run("fails")["id"]
    api.run("takes")

    found = api.get("/runs?state=failed&limit=100")

    assert failed in [run["id"] for run in found["runs"]]
    assert {run["state"] for run in found["runs"]} == {"failed"}
    assert found["next"] is None


@pytest.mark.parametrize(
    "value", [None, True, 0, -1.5, "text", "\u2028</script>", [1, [2]], {"a": {"b": []}}, "\x00\x1b[31m"]
)
def test_any_json_value_goes_in_and_comes_out_as_it_is(api: Api, value: object) -> None:
    run = api.run("takes", value=value)

    assert (run["arguments"]["value"], run["result"]) == (value, value)


def test_versions_name_what_is_in_the_process(api: Api) -> None:
    found = next(each for each in api.get("/versions")["versions"] if each["name"] == "dir.greet")

    assert (found["path"], found["state"], found["holders"]) == ("dir/greet.py", "live", [])
    assert found["key"] == api.host.key("dir/greet")
    assert {"revision", "since", "loaded_at", "objects", "scripts"} <= found.keys()


def test_health_is_ok_while_the_repository_can_be_read(api: Api) -> None:
    assert api.get("/health")["status"] == "ok"


def test_a_new_link_signs_in_whoever_opens_it_first(api: Api) -> None:
    secret = api.post("/links", status=201)["login_token"]

    assert api.access.redeem(secret)
    assert api.access.redeem(secret) is None


def test_slots_are_a_list(api: Api) -> None:
    assert api.get("/slots?script=dir/greet") == {"slots": []}


def test_the_description_is_openapi_3_1_and_counts_from_where_it_is_mounted(api: Api) -> None:
    document = api.get("/openapi.json")

    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]
    assert "/scripts/{name}/runs" in document["paths"]


class TestDecisions:
    """Each on a host of its own: they change what all others see."""

    @pytest.fixture
    def api(self, tmp_path: Path) -> Any:
        with an_api(tmp_path, {"a.py": "def run(): return 1\n", "b.py": "def run(): return 1\n"}) as api:
            api.post("/sync")  # a report tells what happened since the one before
            yield api

    def audited(self, api: Api) -> list[tuple[str, str, str]]:
        return [(each["action"], each["subject"], each["actor"]) for each in api.get("/audit")["audit"]]

    def test_sync_answers_when_the_newest_commit_is_live(self, api: Api) -> None:
        revision = api.host.repository.commit_files({"a.py": "def run(): return 2\n"})

        report = api.post("/sync")

        assert (report["revision"], report["state"], report["error"]) == (revision, "live", "")
        assert {each["script"]: each["outcome"] for each in report["scripts"]} == {"a": "loaded", "b": "unchanged"}
        assert api.run("a")["result"] == 2

    def test_sync_tells_why_a_script_failed_and_the_last_good_version_serves(self, api: Api) -> None:
        api.host.repository.commit_files({"a.py": "def run(: pass\n"})

        report = api.post("/sync")

        failed = next(each for each in report["scripts"] if each["script"] == "a")
        assert (failed["outcome"], failed["error"]["path"], failed["error"]["line"]) == ("failed", "a.py", 1)
        assert api.run("a")["result"] == 1

    def test_a_repository_that_is_gone_is_a_bad_gateway_and_unhealthy(self, api: Api) -> None:
        api.host.repository.path.rename(api.host.repository.path.with_name("moved"))

        error = api.post("/sync", status=502)["error"]

        assert (error["code"], error["kind"]) == ("mirror", "unreachable")
        assert api.get("/health", 503)["sync"] == "failing"
        assert api.run("a")["result"] == 1

    def test_releases_list_each_commit_with_its_steps(self, api: Api) -> None:
        revision = api.host.repository.commit_files({"a.py": "def run(): return 2\n"}, "make it two")
        api.post("/sync")

        newest, first = api.get("/releases")["releases"]

        assert (newest["revision"], newest["author"], newest["subject"]) == (revision, "Dana Author", "make it two")
        assert (newest["state"], newest["unchanged"], newest["error"]) == ("live", 1, "")
        assert [(each["script"], each["outcome"]) for each in newest["scripts"]] == [("a", "loaded")]
        assert {"seen", "fetched", "planned", "loaded", "live"} <= newest["steps"].keys()
        assert first["state"] == "superseded"
        page = api.get("/releases?limit=1")
        assert api.get(f"/releases?before={page['next']}")["releases"] == [first]

    def test_a_quarantined_script_takes_no_runs_until_it_is_released(self, api: Api) -> None:
        found = api.post("/scripts/a/quarantine", {"reason": "it is wrong"})
        assert (found["state"], found["quarantined"]) == ("quarantined", True)
        assert (found["quarantine"]["reason"], found["quarantine"]["actor"]) == ("it is wrong", "token")
        assert UTC_TIME.fullmatch(found["quarantine"]["at"])
        assert api.post("/scripts/a/runs", status=409)["error"]["code"] == "not_runnable"

        assert api.post("/scripts/a/release")["quarantined"] is False
        assert api.run("a")["state"] == "succeeded"
        assert api.post("/scripts/a/release", status=409)["error"]["code"] == "conflict"
        assert [action for action, *_ in self.audited(api)] == ["run", "lift quarantine", "quarantine"]

    @pytest.mark.parametrize("name_it", ["key", "revision"])
    def test_a_script_is_pinned_by_key_or_revision_until_it_is_unpinned(self, api: Api, name_it: str) -> None:
        first = api.get("/scripts/a")["version"]
        api.host.take({"a.py": "def run(): return 2\n"})

        pinned = api.post("/scripts/a/pin", {name_it: first[name_it][:10], "reason": "it was better"})

        assert pinned["version"]["key"] == first["key"]
        assert (pinned["pinned"], pinned["pin"]["reason"]) == (True, "it was better")
        assert api.run("a")["result"] == 1
        assert api.post("/scripts/a/unpin")["pinned"] is False
        assert api.run("a")["result"] == 2

    @pytest.mark.parametrize("body", [{}, {"key": "a", "revision": "b"}, {"reason": "x"}], ids=str)
    def test_a_pin_names_one_version(self, api: Api, body: dict[str, str]) -> None:
        api.post("/scripts/a/pin", body, 422)

    def test_a_version_that_never_was_cannot_be_pinned(self, api: Api) -> None:
        assert api.post("/scripts/a/pin", {"key": "ffff"}, 404)["error"]["code"] == "not_found"
        assert api.post("/scripts/a/pin", {"revision": "ffff"}, 404)["error"]["code"] == "not_found"

    def test_a_held_repository_is_not_followed_until_let_go(self, api: Api) -> None:
        assert api.post("/hold", {"reason": "holidays"})["held"]["reason"] == "holidays"
        api.host.repository.commit_files({"a.py": "def run(): return 2\n"})
        api.post("/sync")
        assert api.run("a")["result"] == 1

        assert api.post("/let-go") == {"held": None}
        api.post("/sync")
        assert api.run("a")["result"] == 2
        assert [action for action, *_ in self.audited(api)] == ["run", "lift hold", "run", "hold"]

    def test_the_audit_names_every_run_that_was_asked_for(self, api: Api) -> None:
        run = api.run("a")

        (entry,) = api.get("/audit?limit=1")["audit"]
        assert (entry["action"], entry["subject"], entry["actor"]) == ("run", "a", "token")
        assert entry["detail"]["run"] == run["id"]
        assert api.get(f"/audit?before={entry['id']}")["audit"] == []
