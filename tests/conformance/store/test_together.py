"""Two processes that do the same at once over one history: what each is told, and what is kept in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from livegraft.store import ReleaseState
from livegraft.store.sql import SqlStore
from tests.support.places import Place, SqlitePlace, a_postgresql_place
from tests.support.postgresql import GivenServer

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)
SLOTS, REQUESTS, COUNTED, SWITCHES = 150, 20, 20, 10

PROGRAM = """
import json, random, time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.store import ReleaseRecord, ReleaseState, SharedValue, SlotRecord, SlotState

me, slots, requests, counted, switches = sys.argv[3], *map(int, sys.argv[4:])
now = datetime(2026, 3, 1, 7, tzinfo=UTC)

def a_run():
    return RunRecord(new_run_id(), "daily", "k", "r", Trigger.CRON, me, {}, RunState.QUEUED, me, now)

print("ready", flush=True)
sys.stdin.readline()
won, order = [], list(range(slots))
random.Random(me).shuffle(order)  # or one stays behind the other, and finds all taken
for n in order:
    run, at = a_run(), now + timedelta(minutes=n)
    if store.slots.claim(SlotRecord("daily", "* * * * * UTC", at, SlotState.RAN, at), run):
        won.append(run.id)
    time.sleep(0.002)  # who has just written is the first to write again, and the other might come to nothing
asked = [store.runs.add(replace(a_run(), request=f"request {n}")).id for n in range(requests)]
for n in range(counted):
    with store.shared.changing("counters", now) as rows:
        before = rows.get("seen")
        rows.put(SharedValue("seen", str(int(before.text) + 1 if before else 1), now))
for n in range(switches):
    id = store.releases.add(ReleaseRecord(0, f"{me} {n}", "Dana", "change", now, ReleaseState.LOADING))
    store.releases.update(id, state=ReleaseState.LIVE)
print(json.dumps({"won": won, "asked": asked}))
store.close()
"""


@dataclass
class Together:
    """What the history has in the end, and what each process was told: the runs it got for slots and requests."""

    store: SqlStore
    won: list[list[str]]
    asked: list[list[str]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    folder = tmp_path_factory.mktemp("together")
    if request.param == "sqlite":
        yield from _together(SqlitePlace(folder))
        return
    server: GivenServer = request.getfixturevalue("postgresql")
    with a_postgresql_place(server, Path(folder)) as place:
        yield from _together(place)


def _together(place: Place) -> Iterator[Together]:
    counts = [str(count) for count in (SLOTS, REQUESTS, COUNTED, SWITCHES)]
    said = [json.loads(words) for words in _told(place, PROGRAM, counts)]
    with closing(place.open()) as store:
        yield Together(store, [each["won"] for each in said], [each["asked"] for each in said])


def _told(place: Place, program: str, words: list[str]) -> list[str]:
    """What two processes print that begin at the same moment."""
    processes = [place.in_another_process(program, name, *words) for name in ("one", "two")]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return said


def test_each_slot_is_of_one_of_them(together: Together) -> None:
    won = [*together.won[0], *together.won[1]]

    assert len(won) == len(set(won)) == SLOTS
    assert all(together.won)
    assert {slot.run_id for slot in together.store.slots.find(limit=2 * SLOTS)} == set(won)


def test_a_slot_that_was_lost_leaves_no_run(together: Together) -> None:
    runs = together.store.runs.find(limit=10 * SLOTS)

    assert {run.id for run in runs if run.request is None} == {*together.won[0], *together.won[1]}


def test_for_each_request_both_are_told_the_same_run(together: Together) -> None:
    assert together.asked[0] == together.asked[1]
    assert len(set(together.asked[0])) == REQUESTS


def test_no_change_of_shared_data_is_lost(together: Together) -> None:
    assert [each.text for each in together.store.shared.find("counters", NOW)] == [str(2 * COUNTED)]


def test_one_release_is_live(together: Together) -> None:
    releases = together.store.releases.find(limit=10 * SWITCHES)

    assert len(releases) == 2 * SWITCHES
    assert [each.state for each in releases].count(ReleaseState.LIVE) == 1


ALONE = """
from datetime import UTC, datetime, timedelta
from livegraft.errors import BusyError
from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.store import SlotRecord, SlotState

me, rounds = sys.argv[3], int(sys.argv[4])
now = datetime(2026, 3, 1, 7, tzinfo=UTC)
print("ready", flush=True)
sys.stdin.readline()
beside = begun = 0
for n in range(rounds):
    at = now + timedelta(minutes=n)
    due_at = at if n % 2 else None  # each second one waits, and is taken
    owner = "" if n % 2 else me
    run = RunRecord(
        new_run_id(), "daily", "k", "r", Trigger.CRON, me, {}, RunState.QUEUED, owner, now, due_at=due_at, slot_at=at
    )
    try:
        store.slots.claim(SlotRecord("daily", f"{me} * * * * UTC", at, SlotState.RAN, at), run, alone=not n % 2)
        if n % 2 and not store.runs.take(run.id, me, alone_in="daily"):
            continue
    except BusyError:
        continue
    begun += 1
    queued = store.runs.find(script="daily", states=[RunState.QUEUED], limit=200)
    beside += any(each.process not in ("", me) for each in queued)
    store.runs.end(run.id, RunState.SUCCEEDED, now)
print(begun, beside)
store.close()
"""


def test_slots_of_two_schedules_of_a_script_do_not_begin_beside_each_other(place: Place) -> None:
    begun, beside = 0, 0
    for words in _told(place, ALONE, ["40"]):
        begun, beside = begun + int(words.split()[0]), beside + int(words.split()[1])

    assert begun > 0
    assert beside == 0
