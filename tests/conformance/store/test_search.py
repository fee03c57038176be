"""Finding runs and rows of the audit by anything, in a history of any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from livegraft.run import RunFailure, RunRecord, RunResult, RunState, Trigger, first_id_of, time_of_id
from livegraft.run_filter import RunFilter
from livegraft.store import AuditFilter, Store, search
from tests.support.places import Place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    store = place.open()
    yield store
    store.close()


def put(store: Store, hour: int, script: str = "daily", **changes: object) -> str:
    """A run that was asked for so many hours after noon; its id."""
    at = NOON + hour * HOUR
    run = RunRecord(
        first_id_of(at), script, "aa11", "bb22", Trigger.CRON, "cron", {"day": "monday"}, RunState.QUEUED, "1", at
    )
    return store.runs.add(replace(run, **changes)).id  # type: ignore[arg-type]


def found(store: Store, **asked: object) -> list[str]:
    return [run.id for run in store.runs.search(RunFilter(**asked)).runs]  # type: ignore[arg-type]


def test_an_id_says_when_it_was_made() -> None:
    assert time_of_id(first_id_of(NOON)) == NOON
    assert first_id_of(NOON) < first_id_of(NOON + timedelta(milliseconds=1))


def test_runs_are_found_by_each_thing_that_is_known_of_them(store: Store) -> None:
    plain = put(store, 0)
    other = put(store, 1, "reports/weekly", key="cc33", revision="dd44")
    asked = put(store, 2, trigger=Trigger.BUTTON, actor="dana", arguments={"day": "Straße 50%"})
    result, failure = RunResult("json", {"total": 4711}), RunFailure("KeyError", "no such order", "daily.py", 3)
    store.runs.end(plain, RunState.SUCCEEDED, NOON, result=result)
    store.runs.end(other, RunState.FAILED, NOON, failure=failure)

    assert found(store) == [asked, other, plain]
    assert found(store, scripts=("daily",)) == [asked, plain]
    assert found(store, scripts=("daily", "reports/weekly")) == [asked, other, plain]
    assert found(store, scripts=()) == []
    assert found(store, folder="reports/") == [other]
    assert found(store, states=(RunState.FAILED, RunState.QUEUED)) == [asked, other]
    assert found(store, trigger=Trigger.BUTTON) == found(store, actor="dana") == [asked]
    assert found(store, version="cc") == found(store, version="dd4") == [other]
    assert found(store, since=NOON + HOUR) == [asked, other]
    assert found(store, until=NOON + HOUR) == [plain]
    assert found(store, text="MONDAY") == [other, plain]
    assert found(store, text="straße 50%") == found(store, text="Straße") == [asked]
    assert found(store, text="4711") == [plain]
    assert found(store, text="such order") == [other]
    assert found(store, text="_") == []
    assert found(store, scripts=("daily",), states=(RunState.QUEUED,), actor="cron") == []
    assert [span.id for span in store.runs.spans(RunFilter(actor="cron"), 1)] == [other]


def test_pages_follow_each_other_to_the_end(store: Store) -> None:
    ids = [put(store, hour, actor="dana" if hour % 3 else "kim", state=RunState.QUEUED) for hour in range(9)]
    which = RunFilter(actor="dana", states=(RunState.QUEUED,))

    pages: list[list[str]] = []
    before = None
    while not pages or before:
        page = store.runs.search(which, before=before, limit=2)
        pages.append([run.id for run in page.runs])
        before = page.next

    assert pages == [[ids[8], ids[7]], [ids[5], ids[4]], [ids[2], ids[1]]]


def test_a_search_for_what_is_rare_stops_looking_and_says_where(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LOOK_COUNT", 4)
    monkeypatch.setattr("livegraft.store.run_search.LOOK_COUNT", 4)
    rare = put(store, 0, key="ff00")
    for hour in range(1, 8):
        put(store, hour)

    page = store.runs.search(RunFilter(version="ff"))
    assert (page.runs, page.looked_back_to) == ([], NOON + 4 * HOUR)
    page = store.runs.search(RunFilter(version="ff"), before=page.next)
    assert [run.id for run in page.runs] == [rare]
    # The last look may have ended at the very first run.
    assert page.next is None or store.runs.search(RunFilter(version="ff"), before=page.next).runs == []


def test_what_is_rarer_leads_the_search(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegraft.store.run_search.LOOK_COUNT", 4)
    rare = put(store, 0, actor="dana")
    for hour in range(1, 8):
        put(store, hour)

    page = store.runs.search(RunFilter(scripts=("daily",), actor="dana", states=(RunState.QUEUED,)))

    assert ([run.id for run in page.runs], page.next) == ([rare], None)


def test_runs_of_a_script_in_a_rare_state_are_found_however_far_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegraft.store.run_search.LOOK_COUNT", 4)
    rare = put(store, 0, state=RunState.LOST)
    for hour in range(1, 21):
        put(store, hour, state=RunState.SUCCEEDED)
        put(store, hour + 30, "other", state=RunState.LOST)

    assert [run.id for run in store.runs.find(script="daily", states=[RunState.LOST, RunState.FAILED])] == [rare]
    newest = store.runs.find(script="daily", states=[RunState.LOST, RunState.SUCCEEDED], limit=3)
    assert [run.queued_at for run in newest] == [NOON + hour * HOUR for hour in (20, 19, 18)]


def test_rows_of_the_audit_are_found_by_who_what_and_when(store: Store) -> None:
    for hour, (actor, action, subject) in enumerate([("dana", "pin", "a"), ("kim", "pin", "b"), ("dana", "run", "a")]):
        store.audit.add(NOON + hour * HOUR, actor, action, subject, {})

    def hours(**asked: object) -> list[int]:
        rows = store.audit.search(AuditFilter(**asked)).rows  # type: ignore[arg-type]
        return [(row.at - NOON) // HOUR for row in rows]

    assert hours() == [2, 1, 0]
    assert hours(actor="dana") == [2, 0]
    assert hours(actor="dana", action="pin") == [0]
    assert hours(subject="b") == [1]
    assert hours(since=NOON + HOUR) == [2, 1]
    assert hours(until=NOON + HOUR) == [0]
    assert hours(since=NOON + HOUR, until=NOON + 2 * HOUR, action="pin") == [1]
    first = store.audit.search(AuditFilter(actor="dana"), limit=1)
    assert [row.action for row in store.audit.search(AuditFilter(actor="dana"), before=first.next).rows] == ["pin"]
