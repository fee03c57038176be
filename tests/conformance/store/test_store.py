"""What every store keeps, and how it answers: one suite for every adapter."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from livegraft.run import RunFailure, RunRecord, RunResult, RunState, Trigger, new_run_id
from livegraft.store import (
    COUNTED,
    TALLIED,
    Outcome,
    ReleaseRecord,
    ReleaseState,
    Restraint,
    RestraintKind,
    ScriptOutcome,
    SharedLock,
    SharedName,
    SharedValue,
    SlotCause,
    SlotRecord,
    SlotState,
    SlotTally,
    Store,
    VersionRecord,
)
from tests.support.places import Place

NOW = datetime(2026, 3, 1, 7, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    store = place.open()
    yield store
    store.close()


def a_run(script: str = "daily", **changes: object) -> RunRecord:
    run = RunRecord(
        new_run_id(), script, "k1", "r1", Trigger.API, "dana", {"days": 3}, RunState.QUEUED, "1:2:boot", NOW
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def a_slot(at: datetime, **changes: object) -> SlotRecord:
    return replace(SlotRecord("daily", "* * * * * UTC", at, SlotState.RAN, at), **changes)  # type: ignore[arg-type]


def test_a_run_is_kept_from_its_beginning_to_its_end(store: Store) -> None:
    run = a_run()
    store.runs.add(run)
    assert store.runs.get(run.id) == run
    assert store.runs.open() == [run]

    store.runs.start(run.id, NOW + MINUTE)
    result = RunResult("json", {"rows": [1, 2]})
    store.runs.end(run.id, RunState.SUCCEEDED, NOW + 2 * MINUTE, result=result, output_bytes=7)

    assert store.runs.get(run.id) == replace(
        run,
        state=RunState.SUCCEEDED,
        started_at=NOW + MINUTE,
        ended_at=NOW + 2 * MINUTE,
        result=result,
        output_bytes=7,
    )
    assert store.runs.open() == []


def test_a_run_ends_once_but_a_stuck_one_may_still_end(store: Store) -> None:
    run, stuck = a_run(), a_run()
    store.runs.add(run)
    store.runs.add(stuck)
    store.runs.end(run.id, RunState.CANCELLED, NOW)
    store.runs.end(run.id, RunState.SUCCEEDED, NOW + MINUTE)
    store.runs.end(stuck.id, RunState.STUCK, NOW, failure=RunFailure("stuck", "still there", "a.py", 3))
    store.runs.end(stuck.id, RunState.TIMED_OUT, NOW + MINUTE)

    assert [store.runs.get(each.id).state for each in (run, stuck)] == ["cancelled", "timed out"]  # type: ignore[union-attr]


def test_the_body_of_a_result_is_kept_beside_the_run_and_stays_as_it_was_first(store: Store) -> None:
    run, updated, plain = a_run(), a_run(), a_run()
    for each in (run, updated, plain):
        store.runs.add(each)
    store.runs.end(run.id, RunState.SUCCEEDED, NOW, result=RunResult("png", None, "note", b"\x89PNG"))
    store.runs.end(run.id, RunState.SUCCEEDED, NOW, result=RunResult("png", None, "note", b"other"))
    changed: dict[str, Any] = {"state": RunState.SUCCEEDED, "ended_at": NOW}
    store.runs.update(
        [
            replace(updated, result=RunResult("html", None, body=b"<b>"), **changed),
            replace(plain, result=RunResult("json", 3), **changed),
        ]
    )

    assert store.runs.get(run.id).result == RunResult("png", None, "note")  # type: ignore[union-attr]
    assert [store.runs.result_body(each.id) for each in (run, updated, plain)] == [b"\x89PNG", b"<b>", b""]


def test_runs_are_found_by_script_state_and_page_newest_first(store: Store) -> None:
    runs = [a_run("a" if n % 2 else "b", id=f"{n:016}") for n in range(6)]
    for run in runs:
        store.runs.add(run)
    store.runs.end(runs[5].id, RunState.FAILED, NOW)

    assert [run.id for run in store.runs.find(limit=2)] == [runs[5].id, runs[4].id]
    assert [run.id for run in store.runs.find(before=runs[2].id)] == [runs[1].id, runs[0].id]
    assert [run.id for run in store.runs.find(script="a")] == [runs[5].id, runs[3].id, runs[1].id]
    assert [run.id for run in store.runs.find(states=[RunState.FAILED])] == [runs[5].id]
    last = store.runs.last_by_script(["a", "b", "c"], 2)
    assert {name: [run.id for run in found] for name, found in last.items()} == {
        "a": [runs[5].id, runs[3].id],
        "b": [runs[4].id, runs[2].id],
        "c": [],
    }


def test_what_runs_of_a_script_were_given_is_found_newest_first(store: Store) -> None:
    for number in range(4):
        store.runs.add(a_run("a" if number else "b", id=f"{number:016}", arguments={"n": number}))

    given = store.runs.given("a", 2)

    assert [(each.run_id, each.queued_at, each.arguments) for each in given] == [
        (f"{3:016}", NOW, {"n": 3}),
        (f"{2:016}", NOW, {"n": 2}),
    ]


def test_output_is_read_from_any_offset(store: Store) -> None:
    run = a_run()
    store.runs.add(run)
    store.runs.append_output([(run.id, 0, b"hello "), (run.id, 6, b"wor")])
    store.runs.append_output([(run.id, 9, b"ld\n")])

    assert store.runs.output(run.id) == b"hello world\n"
    assert [store.runs.output(run.id, offset, 4) for offset in (0, 4, 7, 11, 12)] == [
        b"hell",
        b"o wo",
        b"orld",
        b"\n",
        b"",
    ]


def test_a_release_gathers_its_steps_and_going_live_supersedes_the_one_before(store: Store) -> None:
    first = ReleaseRecord(0, "r1", "Dana", "first", NOW, ReleaseState.LOADING, {"seen": NOW})
    one = store.releases.add(first)
    failed = ScriptOutcome("b", Outcome.FAILED, "k9", RunFailure("load", "boom", "b.py", 4))
    scripts = [ScriptOutcome("a", Outcome.LOADED, "k1"), failed]
    store.releases.update(one, state=ReleaseState.LIVE, steps={"live": NOW + MINUTE}, scripts=scripts, unchanged=3)
    two = store.releases.add(replace(first, revision="r2"))
    store.releases.update(two, state=ReleaseState.LIVE)
    store.releases.update(one, steps={"unloaded": NOW + 2 * MINUTE})

    live = store.releases.live()
    assert live is not None
    assert live.revision == "r2"
    assert [release.id for release in store.releases.find()] == [two, one]
    assert [release.id for release in store.releases.find(before=two)] == [one]
    assert store.releases.get("r1") == replace(
        first,
        id=one,
        state=ReleaseState.SUPERSEDED,
        steps={"seen": NOW, "live": NOW + MINUTE, "unloaded": NOW + 2 * MINUTE},
        scripts=tuple(reversed(scripts)),
        unchanged=3,
        counts={Outcome.FAILED: 1, Outcome.LOADED: 1},
    )


def test_a_version_that_comes_back_is_the_newest_again_at_its_first_revision(store: Store) -> None:
    one = VersionRecord("a", "k1", "r1", "Dana", "first", NOW)
    two = VersionRecord("a", "k2", "r2", "Dana", "second", NOW + MINUTE)
    store.releases.add_versions([one, two])
    store.releases.add_versions([replace(one, revision="r3", subject="revert", loaded_at=NOW + 2 * MINUTE)])

    assert store.releases.versions("a") == [replace(one, loaded_at=NOW + 2 * MINUTE), two]
    assert store.releases.version("a", "k2") == two
    assert store.releases.version("a", "k3") is None


def test_what_was_live_before_a_release_is_told_by_the_releases_before_and_else_by_the_versions(store: Store) -> None:
    def loaded(script: str, key: str, at: datetime) -> ScriptOutcome:
        store.releases.add_versions([VersionRecord(script, key, "r", "dana", "", at)])
        return ScriptOutcome(script, Outcome.LOADED, key)

    old, older = NOW - 60 * MINUTE, NOW - 90 * MINUTE  # of releases that are kept no more
    for script, key, at in (
        ("a", "k1", old),
        ("untouched", "k0", older),
        ("untouched", "k1", old),
        ("gone", "k1", old),
    ):
        loaded(script, key, at)
    kept = (loaded("a", "k2", NOW - MINUTE), ScriptOutcome("gone", Outcome.REMOVED, ""))
    store.releases.add(ReleaseRecord(0, "r1", "dana", "", NOW, ReleaseState.LIVE, {"seen": NOW - MINUTE}, kept))

    bad = [loaded(script, "k3", NOW) for script in ("a", "gone", "new", "untouched")]
    id = store.releases.add(
        ReleaseRecord(0, "r2", "dana", "", NOW, ReleaseState.LIVE, {"seen": NOW, "live": NOW + MINUTE}, tuple(bad))
    )

    assert store.releases.keys_before(id, ["a", "gone", "new", "untouched"]) == {"a": "k2", "untouched": "k1"}


def test_versions_that_were_live_once_are_found_by_script_and_key_however_many_are_asked_for(store: Store) -> None:
    known = VersionRecord("a", "k1", "r1", "Dana", "first", NOW)
    store.releases.add_versions([known, replace(known, script="b", key="k2")])
    strangers = [("c", f"k{n}") for n in range(1_000)]

    assert store.releases.were_live([]) == set()
    assert store.releases.were_live([("a", "k2"), ("b", "k1")]) == set()
    assert store.releases.were_live([("a", "k1"), *strangers, ("b", "k2")]) == {("a", "k1"), ("b", "k2")}


def test_a_slot_is_claimed_once_with_its_run_in_the_same_step(store: Store) -> None:
    run, other = a_run(), a_run()

    assert store.slots.claim(a_slot(NOW), run)
    assert not store.slots.claim(a_slot(NOW), other)

    assert store.runs.get(run.id) == run
    assert store.runs.get(other.id) is None
    assert store.slots.find() == [a_slot(NOW, run_id=run.id)]


def test_of_many_that_claim_a_slot_one_wins(store: Store) -> None:
    wins: list[bool] = []
    gate = threading.Barrier(8)

    def claim() -> None:
        gate.wait()
        wins.append(store.slots.claim(a_slot(NOW), a_run()))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(wins) == [False] * 7 + [True]
    assert len(store.runs.find()) == 1


def test_the_anchor_is_the_last_slot_else_when_the_schedule_was_first_seen(store: Store) -> None:
    schedule = "* * * * * UTC"
    assert store.slots.anchor("daily", schedule, NOW) == NOW
    assert store.slots.anchor("daily", schedule, NOW + MINUTE) == NOW
    store.slots.claim(a_slot(NOW + 5 * MINUTE))
    assert store.slots.anchor("daily", schedule, NOW + 9 * MINUTE) == NOW + 5 * MINUTE

    store.slots.forget("daily", schedule)

    assert store.slots.anchor("daily", schedule, NOW + 20 * MINUTE) == NOW + 20 * MINUTE
    assert len(store.slots.find(script="daily")) == 1


def test_decisions_are_replaced_and_lifted(store: Store) -> None:
    pin = Restraint(RestraintKind.PIN, "daily", "dana", NOW, "slow", "k1", "r1")
    store.restraints.put(pin)
    store.restraints.put(replace(pin, key="k2"))

    assert store.restraints.all() == [replace(pin, key="k2")]
    assert store.restraints.drop(RestraintKind.PIN, "daily")
    assert not store.restraints.drop(RestraintKind.PIN, "daily")
    assert store.restraints.all() == []


def test_the_audit_is_read_page_by_page_newest_first(store: Store) -> None:
    for n in range(3):
        store.audit.add(NOW, "dana", "pin", f"script{n}", {"n": n})

    newest = store.audit.find(limit=2)
    assert [(row.subject, row.detail) for row in newest] == [("script2", {"n": 2}), ("script1", {"n": 1})]
    assert [row.subject for row in store.audit.find(before=newest[-1].id)] == ["script0"]


def test_shared_values_are_put_replaced_and_dropped_in_one_transaction(store: Store) -> None:
    one, two = SharedValue("one", "1", NOW), SharedValue("two", '"zwei ü"', NOW, NOW + MINUTE)
    with store.shared.changing("counters", NOW) as rows:
        assert (rows.is_new, rows.key_count, rows.get("one"), rows.drop("one")) == (True, 0, None, False)
        rows.put(one)
        rows.put(two)
        assert (rows.get("one"), rows.key_count) == (one, 2)
        assert store.shared.get("counters", "one", NOW) is None
    with store.shared.changing("counters", NOW + MINUTE / 2) as rows:
        assert (rows.is_new, rows.key_count, rows.get("two")) == (False, 2, two)
        rows.put(replace(one, text="11"))
        assert rows.drop("two")

    assert store.shared.get("counters", "one", NOW) == replace(one, text="11")
    assert store.shared.get("counters", "two", NOW) is None
    assert store.shared.names(NOW) == [SharedName("counters", 1, 2, NOW + MINUTE / 2)]
    with store.shared.changing("counters", NOW) as rows:
        rows.drop_all()
        assert (rows.key_count, rows.get("one")) == (0, None)
    assert store.shared.names(NOW) == []


def test_a_change_of_shared_data_that_raises_leaves_nothing(store: Store) -> None:
    with store.shared.changing("a", NOW) as rows:
        rows.put(SharedValue("k", "1", NOW))

    def fail() -> None:
        with store.shared.changing("a", NOW) as rows:
            rows.put(SharedValue("k", "2", NOW))
            rows.lock = SharedLock("me", NOW + MINUTE)
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        fail()

    assert store.shared.find("a", NOW) == [SharedValue("k", "1", NOW)]
    with store.shared.changing("a", NOW) as rows:
        assert rows.lock is None


def test_shared_values_are_found_by_key_page_by_page(store: Store) -> None:
    for name in ("a", "b"):
        with store.shared.changing(name, NOW) as rows:
            for key in ("z", "y", "x"):
                rows.put(SharedValue(key, f'"{name}"', NOW))

    assert store.shared.keys("a", NOW) == ["x", "y", "z"]
    assert [each.key for each in store.shared.find("a", NOW, limit=2)] == ["x", "y"]
    assert [each.key for each in store.shared.find("a", NOW, after="y", limit=2)] == ["z"]
    assert [each.name for each in store.shared.names(NOW)] == ["a", "b"]
    assert [each.name for each in store.shared.names(NOW, "b")] == ["b"]


def test_expired_shared_values_are_in_no_answer_and_are_pruned(store: Store) -> None:
    with store.shared.changing("a", NOW) as rows:
        rows.put(SharedValue("brief", "123", NOW, NOW + MINUTE))
        rows.put(SharedValue("long", "1", NOW, NOW + 3 * MINUTE))
    with store.shared.changing("b", NOW) as rows:
        rows.put(SharedValue("brief", "1", NOW, NOW + MINUTE))
    then = NOW + MINUTE

    assert store.shared.get("a", "brief", then) is None
    assert (store.shared.keys("a", then), store.shared.keys("b", then)) == (["long"], [])
    assert [each.key for each in store.shared.find("a", then)] == ["long"]
    assert store.shared.names(then) == [SharedName("a", 1, 1, NOW)]
    with store.shared.changing("a", then) as rows:
        assert (rows.key_count, rows.get("brief"), rows.drop("brief"), rows.name_count()) == (1, None, False, 2)
    assert store.shared.keys("a", NOW) == ["long"]

    store.shared.prune(then)

    with store.shared.changing("a", NOW) as rows:
        assert (rows.key_count, rows.name_count()) == (1, 1)


def test_a_lock_stays_with_its_name_until_it_is_taken_off(store: Store) -> None:
    lock = SharedLock("1:2:boot/3/4", NOW + MINUTE)
    with store.shared.changing("a", NOW) as rows:
        rows.lock = lock
    with store.shared.changing("a", NOW) as rows:
        assert (rows.lock, rows.is_new, rows.key_count) == (lock, False, 0)
        rows.put(SharedValue("k", "1", NOW))
    store.shared.prune(NOW)
    with store.shared.changing("a", NOW) as rows:
        assert rows.lock == lock
        rows.lock = None
        rows.drop("k")

    with store.shared.changing("a", NOW) as rows:
        assert (rows.lock, rows.is_new) == (None, True)


def test_of_many_that_change_a_name_each_sees_what_the_one_before_kept(store: Store) -> None:
    gate = threading.Barrier(8)

    def add() -> None:
        gate.wait()
        with store.shared.changing("a", NOW) as rows:
            before = rows.get("n")
            rows.put(SharedValue("n", str(int(before.text) + 1 if before else 1), NOW))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.shared.find("a", NOW) == [SharedValue("n", "8", NOW)]


def test_more_schedules_than_one_statement_names_have_their_anchors(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegraft.store.slots._AT_ONCE", 2)
    schedules = [(f"script{n}", "@hourly UTC") for n in range(5)]
    store.slots.anchor(*schedules[3], NOW)

    assert store.slots.anchors(schedules, NOW + MINUTE) == dict.fromkeys(schedules, NOW + MINUTE) | {schedules[3]: NOW}
    assert store.slots.anchors(schedules, NOW - MINUTE) == dict.fromkeys(schedules, NOW - MINUTE)


def test_an_anchor_leaves_out_what_a_clock_which_was_ahead_told(store: Store) -> None:
    schedule = a_slot(NOW).schedule
    store.slots.anchor("daily", schedule, NOW)
    for minute in (2, 500):
        store.slots.claim(a_slot(NOW + minute * MINUTE))

    assert store.slots.anchor("daily", schedule, NOW + 9 * MINUTE) == NOW + 2 * MINUTE
    assert store.slots.anchor("daily", schedule, NOW - MINUTE) == NOW - MINUTE

    assert store.slots.anchor("daily", schedule, NOW) == NOW - MINUTE


def test_what_came_to_be_before_the_clock_was_set_back_is_not_taken_for_where_a_schedule_stands(store: Store) -> None:
    schedule = a_slot(NOW).schedule
    store.slots.anchor("daily", schedule, NOW)
    store.slots.claim(a_slot(NOW + 5 * MINUTE))
    assert store.slots.anchor("daily", schedule, NOW - 60 * MINUTE) == NOW - 60 * MINUTE
    store.slots.claim(a_slot(NOW - 59 * MINUTE))

    assert store.slots.anchor("daily", schedule, NOW + 9 * MINUTE) == NOW - 59 * MINUTE


def test_a_slot_that_a_clock_which_was_ahead_saw_missed_is_decided_anew(store: Store) -> None:
    missed, again = a_slot(NOW, state=SlotState.MISSED, decided_at=NOW + 9 * MINUTE), a_run()

    assert store.slots.claim(missed)
    assert not store.slots.claim(a_slot(NOW, decided_at=NOW + 10 * MINUTE), a_run())
    assert store.slots.claim(a_slot(NOW, decided_at=NOW, run_id=again.id), again)
    assert not store.slots.claim(a_slot(NOW, decided_at=NOW), a_run())

    assert [(slot.state, slot.run_id) for slot in store.slots.find()] == [(SlotState.RAN, again.id)]


def test_missed_slots_get_the_run_that_catches_them_up_and_no_others(store: Store) -> None:
    for minute, state in enumerate([SlotState.MISSED, SlotState.SKIPPED, SlotState.MISSED, SlotState.MISSED]):
        store.slots.claim(a_slot(NOW + minute * MINUTE, state=state))
    store.slots.claim(a_slot(NOW + 3 * MINUTE, script="other", state=SlotState.MISSED))
    run = a_run()

    store.slots.claim(a_slot(NOW + 4 * MINUTE, run_id=run.id), run, catches_up=True)

    rows = store.slots.between("daily", a_slot(NOW).schedule, NOW, NOW + 4 * MINUTE)
    assert [row.run_id for row in rows] == [None, None, run.id, run.id, run.id]
    assert [row.run_id for row in store.slots.find(script="other")] == [None]


def test_a_backfill_gives_a_run_to_slots_that_have_none_of_their_own(store: Store) -> None:
    ran, first, second = a_run(), a_run(), a_run()
    store.slots.claim(a_slot(NOW, run_id=ran.id), ran)
    store.slots.claim(a_slot(NOW + MINUTE, state=SlotState.MISSED, reason="late", cause=SlotCause.LATE))

    assert not store.slots.backfill(a_slot(NOW), a_run())
    assert store.slots.backfill(a_slot(NOW + MINUTE, cause=SlotCause.BACKFILL, run_id=first.id), first)
    assert store.slots.backfill(a_slot(NOW - MINUTE, cause=SlotCause.BACKFILL, run_id=second.id), second)

    rows = store.slots.between("daily", a_slot(NOW).schedule, NOW - MINUTE, NOW + MINUTE)
    assert [(row.state, row.run_id) for row in rows] == [(SlotState.RAN, run.id) for run in (second, ran, first)]


def test_slots_are_found_by_state_and_page(store: Store) -> None:
    for minute in range(4):
        store.slots.claim(a_slot(NOW + minute * MINUTE, state=[SlotState.RAN, SlotState.SKIPPED][minute % 2]))

    assert [slot.slot_at for slot in store.slots.find(states=[SlotState.SKIPPED])] == [NOW + 3 * MINUTE, NOW + MINUTE]
    for name in ("a", "z"):
        store.slots.claim(a_slot(NOW + 2 * MINUTE, script=name))

    everything = store.slots.find()
    paged = [*store.slots.find(limit=3), *store.slots.find(limit=3, before=everything[2].place)]
    assert [(slot.slot_at - NOW, slot.script) for slot in everything[1:4]] == [
        (2 * MINUTE, s) for s in ("a", "daily", "z")
    ]
    assert paged == everything


def test_of_a_release_some_scripts_are_told_and_the_others_counted(store: Store) -> None:
    scripts = tuple(ScriptOutcome(f"s{n:04d}", Outcome.LOADED, "k") for n in range(COUNTED + 9))
    for some in (scripts[:5], scripts):
        store.releases.add(ReleaseRecord(0, "r", "dana", "", NOW, ReleaseState.LIVE, {"seen": NOW}, some))

    everything, few = store.releases.find(most_scripts=3)

    assert (few.scripts, few.more, few.steps) == (scripts[:3], 2, {"seen": NOW})
    assert (everything.scripts, everything.counts) == (scripts[:3], {Outcome.LOADED: COUNTED})
    assert [each.more for each in store.releases.find(most_scripts=5, before=everything.id)] == [0]
    live = store.releases.live(most_scripts=0)
    assert live is not None
    assert live.scripts == ()


def test_of_a_release_what_failed_comes_first_and_all_is_found_by_outcome_and_page(store: Store) -> None:
    loaded = [ScriptOutcome(f"s{n}", Outcome.LOADED, "k") for n in range(3)]
    failed = [ScriptOutcome(name, Outcome.FAILED, "", RunFailure("load", "no", "z.py", 3)) for name in ("s1x", "z")]
    gone = ScriptOutcome("a", Outcome.REMOVED)
    id = store.releases.add(ReleaseRecord(0, "r", "dana", "", NOW, ReleaseState.LIVE, {}, (*loaded, *failed, gone)))

    (found,) = store.releases.find(most_scripts=3)

    assert found.scripts == (*failed, loaded[0])
    assert found.counts == {Outcome.FAILED: 2, Outcome.LOADED: 3, Outcome.REMOVED: 1}
    assert found.more == 3
    named = store.releases.get("r")
    assert named is not None
    assert named.counts == found.counts
    assert list(store.releases.scripts(id, outcome=Outcome.FAILED)) == failed
    pages = [store.releases.scripts(id, limit=3, after=after) for after in ("", "s1", "z")]
    assert [[each.script for each in page] for page in pages] == [["a", "s0", "s1"], ["s1x", "s2", "z"], []]
    assert store.releases.scripts(id + 1) == []


def test_it_is_told_how_some_runs_stand(store: Store) -> None:
    ended, going = a_run(), a_run()
    store.runs.add(ended)
    store.runs.add(going)
    store.runs.end(ended.id, RunState.FAILED, NOW)

    assert store.runs.states([ended.id, going.id, "nowhere"]) == {ended.id: RunState.FAILED, going.id: going.state}
    assert store.runs.states([]) == {}


def test_slots_of_a_span_of_time_are_found(store: Store) -> None:
    for minute in range(4):
        store.slots.claim(a_slot(NOW + minute * MINUTE))

    found = store.slots.find(since=NOW + MINUTE, until=NOW + 3 * MINUTE)

    assert [slot.slot_at - NOW for slot in found] == [2 * MINUTE, MINUTE]
    assert store.slots.find(since=NOW + MINUTE, until=NOW + 3 * MINUTE, before=found[0].place) == found[1:]


def test_slots_are_counted_by_state_span_and_script(store: Store) -> None:
    for minute, state in enumerate([SlotState.RAN, SlotState.MISSED, SlotState.RAN, SlotState.SKIPPED, SlotState.RAN]):
        store.slots.claim(a_slot(NOW + minute * MINUTE, state=state))
    store.slots.claim(a_slot(NOW + MINUTE, script="other"))

    tallies = store.slots.tally(NOW, 2 * MINUTE, 2)
    of_other = store.slots.tally(NOW, 2 * MINUTE, 2, "other")

    assert tallies == [SlotTally(NOW, 2, 0, 1), SlotTally(NOW + 2 * MINUTE, 1, 1, 0)]
    assert of_other == [SlotTally(NOW, 1), SlotTally(NOW + 2 * MINUTE)]


def test_slots_whose_runs_failed_are_counted_among_those_that_ran(store: Store) -> None:
    ends = {0: RunState.FAILED, 1: RunState.SUCCEEDED, 2: RunState.TIMED_OUT, 3: RunState.LOST, 4: RunState.CANCELLED}
    for minute, state in ends.items():
        script, at = "other" if minute == 3 else "daily", NOW + minute * MINUTE
        run = a_run(script, slot_at=at)
        store.slots.claim(a_slot(at, script=script), run)
        store.runs.end(run.id, state, at)
    by_hand = a_run()
    store.runs.add(by_hand)
    store.runs.end(by_hand.id, RunState.FAILED, NOW)

    assert store.slots.tally(NOW, 2 * MINUTE, 2) == [
        SlotTally(NOW, ran=2, failed=1),
        SlotTally(NOW + 2 * MINUTE, 2, failed=2),
    ]
    assert [each.failed for each in store.slots.tally(NOW, 5 * MINUTE, 1, "daily")] == [2]
    assert [each.failed for each in store.slots.tally(NOW, 5 * MINUTE, 1, "other")] == [1]


def test_many_slots_of_one_span_are_not_counted_to_the_last(store: Store) -> None:
    for second in range(TALLIED + 5):
        store.slots.claim(a_slot(NOW + timedelta(seconds=second)))

    assert [each.ran for each in store.slots.tally(NOW, timedelta(hours=1), 1)] == [TALLIED]


def test_a_waiting_run_is_taken_once_by_whoever_comes_first(store: Store) -> None:
    late, soon = a_run(process="", due_at=NOW + MINUTE), a_run(process="", due_at=NOW, slot_at=NOW)
    for run in (late, soon, a_run(), a_run("other", process="", due_at=NOW + 2 * MINUTE)):
        store.runs.add(run)

    assert store.runs.waiting(script="daily") == [soon, late]
    assert store.runs.waiting(due_by=NOW) == [soon]
    assert store.runs.next_due() == NOW
    assert store.runs.take(soon.id, "host:1")
    assert not store.runs.take(soon.id, "host:2")
    assert store.runs.next_due() == NOW + MINUTE
    assert store.runs.get(soon.id) == replace(soon, process="host:1")


def test_a_waiting_run_that_has_ended_is_not_to_be_had(store: Store) -> None:
    run = a_run(process="", due_at=NOW)
    store.runs.add(run)
    store.runs.end(run.id, RunState.CANCELLED, NOW)

    assert not store.runs.take(run.id, "host:1")
    assert store.runs.waiting() == []
    assert store.runs.next_due() is None


def test_its_size_is_told_and_grows_with_what_is_kept(store: Store) -> None:
    empty = store.size()
    run = a_run()
    store.runs.add(run)
    store.runs.append_output([(run.id, 0, os.urandom(1_000_000))])

    assert 0 < empty < store.size()
