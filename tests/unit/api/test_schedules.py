"""Due times over the API: paused, run later, run again, listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from livegraft.run import RunState
from livegraft.store import SlotRecord, SlotState
from tests.support.api import Api

SCHEDULE = "0 7 * * * Europe/Berlin"


def test_schedules_are_paused_and_resumed(api: Api) -> None:
    paused = api.post("/scripts/dir/greet/pause", {"reason": "stock-taking"})
    assert paused["paused"]
    assert paused["pause"]["reason"] == "stock-taking"
    assert paused["schedule"][0]["next_at"] is None

    assert not api.post("/scripts/dir/greet/unpause")["paused"]
    assert api.post("/scripts/dir/greet/unpause", status=409)["error"]["code"] == "conflict"


def test_a_script_tells_its_next_due_times_and_what_a_change_of_the_clocks_does_to_them(api: Api) -> None:
    [forecast] = api.get("/scripts/dir/greet")["forecast"]

    assert len(forecast["upcoming"]) == 10
    assert forecast["upcoming"] == sorted(forecast["upcoming"])
    assert forecast["clock_changes"] == []


def test_a_run_is_put_off_to_an_instant_and_cancelled(api: Api) -> None:
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    run = api.post("/scripts/dir/greet/runs", {"arguments": {"times": 1}, "at": at}, 201)
    assert run["state"] == RunState.QUEUED
    assert datetime.fromisoformat(run["due_at"]) == datetime.fromisoformat(at)
    assert api.post(f"/runs/{run['id']}/cancel")["state"] == RunState.CANCELLED

    past = api.post("/scripts/dir/greet/runs", {"at": "2020-01-01T00:00:00Z"}, 422)
    assert "that is to come" in past["error"]["message"]
    assert api.post("/scripts/dir/greet/runs", {"at": "2020-01-01T00:00:00"}, 422)["error"]["code"] == "invalid_request"


def test_a_backfill_tells_first_and_runs_then(api: Api) -> None:
    script = api.host.supervisor.store.slots
    today = datetime.now(UTC).replace(hour=5, minute=0, second=0, microsecond=0)
    script.anchor("dir/greet", SCHEDULE, today)
    body = {"first": (today - timedelta(days=40)).isoformat(), "last": (today - timedelta(days=38)).isoformat()}

    told = api.post("/scripts/dir/greet/backfill", {**body, "dry_run": True})
    assert len(told["slots"]) in (2, 3)
    assert told["runs"] == []

    done = api.post("/scripts/dir/greet/backfill", body)
    assert len(done["runs"]) == len(told["slots"])
    assert api.post("/scripts/dir/greet/backfill", body) == {"slots": [], "runs": []}


def test_slots_are_listed_page_by_page_with_state_cause_and_lateness(api: Api) -> None:
    slots = api.host.supervisor.store.slots
    at = datetime(2021, 1, 1, tzinfo=UTC)
    for number in range(3):
        slot_at = at + timedelta(days=number)
        slots.claim(
            SlotRecord("gone", SCHEDULE, slot_at, SlotState.MISSED, slot_at + timedelta(seconds=90), None, "why")
        )

    first = api.get("/slots?script=gone&state=missed&limit=2")
    second = api.send("GET", "/slots", params={"script": "gone", "limit": 2, "before": first["next"]}).json()

    assert [each["slot_at"][:10] for each in first["slots"] + second["slots"]] == [
        "2021-01-03",
        "2021-01-02",
        "2021-01-01",
    ]
    assert second["next"] is None
    assert first["slots"][0]["lateness_seconds"] == 90.0
    assert first["slots"][0]["reason"] == "why"
