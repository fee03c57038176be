"""What each route answers: the shapes that programs rely on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from livegraft.api.app import MAX_OFFSET
from tests.support import eventually
from tests.support.api import Api

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"
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


def test_scripts_are_listed_page_by_page(api: Api) -> None:
    whole = api.get("/scripts")
    assert whole["next"] is None

    names: list[str] = []
    after: str | None = ""
    while after is not None:
        page = api.get(f"/scripts?limit=2&after={after}")
        assert len(page["scripts"]) <= 2
        names += [script["name"] for script in page["scripts"]]
        after = page["next"]
    assert names == [script["name"] for script in whole["scripts"]]


def test_scripts_are_listed_by_name(api: Api) -> None:
    names = [each["name"] for each in api.get("/scripts")["scripts"]]

    assert names == sorted(names)


def test_one_script_has_its_versions(api: Api) -> None:
    found = api.get("/scripts/dir/greet")

    (version,) = found.pop("versions")
    found.pop("forecast")
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
    assert progress == [{"fraction": 0.5, "text": "half way"}]

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
    assert found["error"] == ""


def test_the_reference_shows_every_field_of_every_shape(api: Api) -> None:
    told = [
        json.loads(block)
        for block in re.findall(r"^```json\n(.*?)^```", REFERENCE.read_text(), re.DOTALL | re.MULTILINE)
    ]

    answered = [
        script(api, "dir/greet"),
        api.run("dir/greet"),
        api.get("/releases")["releases"][0],
        api.get("/versions")["versions"][0],
    ]
    assert [shape.keys() for shape in told] == [shape.keys() for shape in answered]


def test_what_a_release_did_is_told_page_by_page_and_by_outcome(api: Api) -> None:
    release = api.get("/releases")["releases"][-1]
    path = f"/releases/{release['id']}/scripts"

    whole = api.get(path)
    first = api.get(f"{path}?limit=1")
    second = api.get(f"{path}?limit=1&after={first['next']}")
    failed = api.get(f"{path}?outcome=failed")["scripts"]

    assert (release["scripts"][0]["outcome"], release["counts"]["failed"]) == ("failed", 1)
    assert len(whole["scripts"]) == sum(release["counts"].values())
    assert [*first["scripts"], *second["scripts"]] == whole["scripts"][:2]
    assert [(each["script"], each["error"]["path"]) for each in failed] == [("broken", "broken.py")]
    assert api.get("/releases/999/scripts", status=404)["error"]["code"] == "not_found"


def test_health_is_ok_while_the_repository_can_be_read(api: Api) -> None:
    assert api.get("/health")["status"] == "ok"


def test_a_new_link_signs_in_whoever_opens_it_first(api: Api) -> None:
    secret = api.post("/links", status=201)["login_token"]

    assert api.access.redeem(secret)
    assert api.access.redeem(secret) is None
    [told] = api.get("/audit?action=make%20link")["audit"]
    assert told["actor"] == "token"
    assert secret not in str(told)


def test_slots_are_a_list(api: Api) -> None:
    assert api.get("/slots?script=dir/greet") == {"slots": [], "next": None}


def test_errors_are_described_as_the_json_that_they_are(api: Api) -> None:
    paths = api.get("/openapi.json")["paths"]

    described = {
        tuple(answer["content"])
        for methods in paths.values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if not status.startswith("2")
    }

    assert described == {("application/json",)}


def test_the_description_is_openapi_3_1_and_counts_from_where_it_is_mounted(api: Api) -> None:
    document = api.get("/openapi.json")

    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]
    assert "/scripts/{name}/runs" in document["paths"]
