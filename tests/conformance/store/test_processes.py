"""What several processes do over one history, in each database: beats, claims within limits, offers, cancels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.store import Claimed, ReplicaRecord, Store
from tests.support.places import Place

NOW = datetime(2026, 3, 1, 7, 0, 0, 123456, tzinfo=UTC)
ME, OTHER = "1:2:boot:1", "3:4:boot:1"


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    store = place.open()
    yield store
    store.close()


def add_run(store: Store, **changes: object) -> RunRecord:
    run = RunRecord(new_run_id(), "daily", "k1", "r1", Trigger.API, "dana", {}, RunState.QUEUED, "", NOW)
    run = replace(run, **changes)  # type: ignore[arg-type]
    store.runs.add(run)
    return run


def owners(store: Store, *runs: RunRecord) -> list[tuple[str, RunState]]:
    found = [store.runs.get(run.id) for run in runs]
    return [(run.process, run.state) for run in found if run is not None]


def test_a_process_is_entered_beats_and_leaves(store: Store) -> None:
    me = ReplicaRecord(identity=ME, host="shop-1", pid=1, started_at=NOW, beat_at=NOW, livegraft="0.1", python="3.11.7")
    other = replace(me, identity=OTHER, pid=3, started_at=NOW + timedelta(seconds=1))
    store.replicas.add(other)
    store.replicas.add(me)
    later = NOW + timedelta(seconds=3)

    assert store.replicas.beat(ME, later, "r2", "http://shop-1")

    beaten = replace(me, beats=me.beats + 1, beat_at=later, revision="r2", address="http://shop-1")
    assert store.replicas.all() == [beaten, other]
    assert store.replicas.drop(ME)
    assert not store.replicas.drop(ME)
    assert not store.replicas.beat(ME, later, "r2", ""), "who was taken for dead hears of it"
    assert store.replicas.all() == [other]


def test_a_run_that_waits_is_claimed_by_one(store: Store) -> None:
    run = add_run(store)
    assert store.runs.has_news()
    assert store.runs.for_anyone(10) == [run]
    assert store.runs.still_waiting([run.id, "gone"]) == {run.id}

    told = [store.runs.claim({run.id: 0}, process)[run.id] for process in (ME, OTHER)]

    assert told == [Claimed.TAKEN, Claimed.GONE]
    assert owners(store, run)[0][0] == ME
    assert store.runs.still_waiting([run.id]) == set()
    assert store.runs.for_anyone(10) == []
    assert store.runs.processes() == [ME]


def test_of_many_that_claim_at_once_as_many_begin_as_the_limit_says(store: Store) -> None:
    runs = [add_run(store, turn_group="g") for _ in range(6)]
    told: list[Claimed] = []
    begin = threading.Barrier(6)

    def claim(number: int) -> None:
        begin.wait(60)
        told.extend(store.runs.claim({runs[number].id: 2}, f"{number}:1:boot:1").values())

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == sorted([Claimed.TAKEN] * 2 + [Claimed.FULL] * 4)
    assert [process for process, _ in owners(store, *runs)].count("") == 4


def test_runs_that_wait_in_a_process_that_leaves_are_offered_to_all_together(store: Store) -> None:
    mine = [add_run(store, process=ME), add_run(store, process=ME), add_run(store, process=ME)]
    store.runs.start(mine[2].id, NOW)
    foreign = add_run(store, process=OTHER)

    store.runs.offer([run.id for run in (*mine, foreign)], ME)

    waits = ("", RunState.QUEUED)
    assert owners(store, *mine, foreign) == [waits, waits, (ME, RunState.RUNNING), (OTHER, RunState.QUEUED)]


def test_a_cancel_is_heard_once_by_the_process_that_has_the_run(store: Store) -> None:
    run = add_run(store, process=ME)
    store.runs.start(run.id, NOW)
    store.runs.ask_cancel(run.id)
    store.runs.ask_cancel(run.id)
    assert store.runs.has_news()

    assert store.runs.asked_to_cancel(OTHER) == []
    assert store.runs.asked_to_cancel(ME) == [run.id]
    assert store.runs.asked_to_cancel(ME) == []


def test_who_was_taken_for_dead_cannot_change_what_became_of_its_runs(store: Store) -> None:
    run = add_run(store, process=ME)
    store.runs.end(run.id, RunState.LOST, NOW)

    store.runs.update([replace(run, state=RunState.SUCCEEDED, started_at=NOW, ended_at=NOW)])

    assert owners(store, run)[0][1] is RunState.LOST
