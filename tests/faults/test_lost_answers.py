"""A connection that is cut when the server has committed: nothing is written twice, nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.store import SlotRecord, SlotState, Store, database
from livegraft.store.opening import open_store
from tests.support.lost_answers import LostAnswers, losing_answers
from tests.support.places import a_postgresql_place
from tests.support.postgresql import GivenServer, OwnServer

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)
SLOT = SlotRecord("daily", "* * * * * UTC", NOW, SlotState.RAN, NOW)


@pytest.fixture
def address(postgresql: GivenServer, tmp_path: Path) -> Iterator[str]:
    if not isinstance(postgresql, OwnServer):
        pytest.skip("nothing can stand before a server that others keep")
    with a_postgresql_place(postgresql, tmp_path) as place:
        yield place.address


@pytest.fixture
def between(address: str) -> Iterator[LostAnswers]:
    with losing_answers(Path(str(psycopg.conninfo.conninfo_to_dict(address)["host"]))) as between:
        yield between


@pytest.fixture
def store(address: str, between: LostAnswers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    monkeypatch.setattr(database, "_PAUSES", (0.0, 0.0))
    with closing(open_store(f"{address}&host={between.folder}", tmp_path)) as store:
        yield store


def a_run() -> RunRecord:
    return RunRecord(new_run_id(), "daily", "k", "r", Trigger.API, "dana", {}, RunState.QUEUED, "1:2:boot", NOW)


def test_a_run_whose_writing_was_not_answered_is_found_written(store: Store, between: LostAnswers) -> None:
    run, other = a_run(), a_run()
    between.to_lose = 1

    assert store.runs.add(run) is run

    assert between.to_lose == 0
    assert store.runs.add(other) is other
    assert {each.id for each in store.runs.open()} == {run.id, other.id}


def test_a_slot_whose_claim_was_not_answered_is_found_claimed(store: Store, between: LostAnswers) -> None:
    run = a_run()
    between.to_lose = 1

    assert store.slots.claim(SLOT, run)

    assert between.to_lose == 0
    assert not store.slots.claim(SLOT, a_run())
    assert store.runs.open() == [run]


def test_a_run_that_was_refused_for_want_of_an_answer_is_taken_back(store: Store, between: LostAnswers) -> None:
    refused, again = (replace(a_run(), request="pay 17") for _ in range(2))
    between.to_lose, between.then_away = 1, True
    with pytest.raises(StoreError):
        store.runs.add(refused)
    between.come_back()
    assert store.runs.open() == [refused], "it was written"

    assert store.runs.add(again) is again

    assert store.runs.open() == [again]


def test_a_slot_that_was_claimed_without_an_answer_is_claimed_again(store: Store, between: LostAnswers) -> None:
    first, second = a_run(), a_run()
    between.to_lose, between.then_away = 1, True
    with pytest.raises(StoreError):
        store.slots.claim(SLOT, first)
    between.come_back()
    assert store.runs.open() == [first], "it was written"

    assert store.slots.claim(SLOT, second)

    assert [slot.run_id for slot in store.slots.find()] == [second.id]
    assert store.runs.open() == [second]
