"""What may be deleted of a history, and what stays whatever its age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from livegraft import process
from livegraft.artifact_files import Artifacts
from livegraft.header import Keep
from livegraft.retention import KeepPolicy, Trimmed, Trimmer
from livegraft.run import RunRecord, RunResult, RunState, Trigger
from livegraft.store import (
    ReleaseRecord,
    ReleaseState,
    Restraint,
    RestraintKind,
    SlotRecord,
    SlotState,
    Store,
    VersionRecord,
)
from livegraft.testing import FakeClock
from tests.support.places import Place

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NO_BOUND = Keep()
CRON = "0 7 * * * UTC"


class History:
    """A store in which time has passed, and what trims it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.artifacts = Artifacts(folder / "artifacts")
        self.clock = FakeClock(NOW)
        self._numbers = count()

    def trim(self, keep: Keep = NO_BOUND, *, releases: int = 1_000, audit: timedelta = 365 * DAY) -> Trimmed:
        trimmer = Trimmer(
            ledger=self.store.retention,
            artifacts=self.artifacts,
            clock=self.clock,
            policy=KeepPolicy(keep, releases, audit),
            keep_of=lambda name: Keep(runs=1) if name == "modest" else Keep(),
        )
        return trimmer.trim()

    def run(self, age_days: float = 0, script: str = "daily", **changes: object) -> str:
        run = RunRecord(
            id=f"{next(self._numbers):016}",  # those of one millisecond have no order
            script=script,
            key="k",
            revision="r",
            trigger=Trigger.API,
            actor="dana",
            arguments={},
            state=RunState.SUCCEEDED,
            process="1:2:gone",
            queued_at=NOW - timedelta(days=age_days),
        )
        self.store.runs.add(replace(run, **changes))  # type: ignore[arg-type]
        return run.id

    def runs(self, script: str = "daily") -> list[str]:
        return [run.id for run in reversed(self.store.runs.find(script=script, limit=500))]

    def slot(self, at: datetime, schedule: str = CRON, run: str | None = None) -> SlotRecord:
        slot = SlotRecord("daily", schedule, at, SlotState.RAN, at, run)
        assert self.store.slots.claim(slot)
        return slot

    def slots(self) -> list[datetime]:
        return [slot.slot_at for slot in reversed(self.store.slots.find(limit=500))]


@pytest.fixture
def history(place: Place, tmp_path: Path) -> Iterator[History]:
    store = place.open()
    yield History(store, tmp_path)
    store.close()


def test_old_runs_go_with_their_output_results_marks_and_files(history: History) -> None:
    old, young = history.run(31), history.run(29)
    for run in (old, young):
        history.store.runs.append_output([(run, 0, b"words")])
        history.store.runs.keep_marks([(run, b"marks")])
        history.artifacts.folder_of(run).mkdir(parents=True)
        (history.artifacts.folder_of(run) / "report.csv").write_text("a")

    assert history.trim(Keep(age=30 * DAY)) == Trimmed(runs=1)

    assert history.runs() == [young]
    assert history.store.runs.output(old) == history.store.runs.marks(old) == b""
    assert history.store.runs.output(young) == b"words"
    assert not history.artifacts.folder_of(old).exists()
    assert history.artifacts.find(young)


def test_the_newest_runs_stay_up_to_a_number_and_a_header_can_only_keep_less(history: History) -> None:
    runs = [history.run() for _ in range(120)]
    modest = [history.run(script="modest") for _ in range(3)]

    assert history.trim(Keep(runs=100)).runs == 22

    assert history.runs() == runs[20:]
    assert history.runs("modest") == modest[2:]


def test_runs_stay_up_to_a_size_of_output_results_and_files_together(history: History) -> None:
    history.run(output_bytes=10)
    wrote = history.run(output_bytes=100)
    returned, left = history.run(state=RunState.RUNNING), history.run()
    result = RunResult("html", None, body=b"x" * 300)
    history.store.runs.end(returned, RunState.SUCCEEDED, NOW, result=result)
    history.artifacts.folder_of(left).mkdir(parents=True)
    (history.artifacts.folder_of(left) / "report.csv").write_bytes(b"y" * 500)

    assert history.trim(Keep(size=900)).runs == 1
    assert history.runs() == [wrote, returned, left]
    assert history.trim(Keep(size=899)).runs == 1
    assert history.runs() == [returned, left]


def test_the_newest_run_stays_however_large_it_is(history: History) -> None:
    history.run(output_bytes=500)
    newest = history.run(output_bytes=500)

    history.trim(Keep(size=100))

    assert history.runs() == [newest]


def test_a_run_that_has_not_ended_stays_and_does_not_keep_the_others(history: History) -> None:
    still = [
        history.run(99, state=RunState.QUEUED),
        history.run(98, state=RunState.RUNNING),
        history.run(97, state=RunState.STUCK, process=process.identity()),
    ]
    history.run(96)
    history.run(95, state=RunState.STUCK)  # its process is gone

    assert history.trim(Keep(age=30 * DAY, runs=1)).runs == 2

    assert history.runs() == still


def test_old_slots_go_but_not_the_last_of_a_schedule_which_is_where_it_counts_from(history: History) -> None:
    history.store.slots.anchor("daily", CRON, NOW - 50 * DAY)
    slots = [history.slot(NOW - days * DAY) for days in (43, 42, 41)]
    history.slot(NOW - 44 * DAY, "a schedule that left")

    assert history.trim(Keep(age=30 * DAY)).slots == 3

    assert history.slots() == [slots[-1].slot_at]
    assert history.store.slots.anchor("daily", CRON, NOW) == slots[-1].slot_at


def test_a_slot_whose_row_was_deleted_is_not_run_again_when_the_clock_is_set_back(history: History) -> None:
    history.store.slots.anchor("daily", CRON, NOW - 50 * DAY)
    slots = [history.slot(NOW - days * DAY) for days in (43, 42, 41)]

    history.trim(Keep(runs=1))

    assert len(history.slots()) == 1
    assert [history.store.slots.claim(slot) for slot in slots] == [False, False, False]
    assert history.store.slots.claim(replace(slots[0], slot_at=NOW - 41 * DAY + timedelta(hours=1)))


def test_a_slot_stays_when_its_run_goes(history: History) -> None:
    run = history.run(40)
    history.store.slots.anchor("daily", CRON, NOW - 50 * DAY)
    history.slot(NOW - 40 * DAY, run=run)

    history.trim(Keep(age=30 * DAY))

    [slot] = history.store.slots.find()
    assert (slot.state, slot.run_id) == (SlotState.RAN, None)


def test_releases_go_beyond_a_number_but_not_the_live_one_nor_the_last_good_one(history: History) -> None:
    def add(revision: str, state: ReleaseState, **steps: datetime) -> None:
        history.store.releases.add(ReleaseRecord(0, revision, "dana", "change", NOW, state, steps))

    add("old", ReleaseState.SUPERSEDED)
    add("live", ReleaseState.LIVE)
    add("good", ReleaseState.SUPERSEDED, settled=NOW)
    for number in range(5):
        add(f"bad{number}", ReleaseState.REFUSED)

    assert history.trim(releases=3).releases == 3

    assert [each.revision for each in history.store.releases.find()] == ["bad4", "bad3", "bad2", "good", "live"]


def test_versions_go_beyond_the_same_number_but_not_a_pinned_one(history: History) -> None:
    history.run()
    versions = [VersionRecord("daily", f"k{n}", "r", "dana", "change", NOW + n * DAY) for n in range(5)]
    history.store.releases.add_versions(versions)
    history.store.restraints.put(Restraint(RestraintKind.PIN, "daily", "dana", NOW, key="k0"))

    assert history.trim(releases=2).versions == 2

    assert [each.key for each in history.store.releases.versions("daily")] == ["k4", "k3", "k0"]


def test_the_audit_is_kept_longer_than_runs(history: History) -> None:
    for days in (400, 300, 2):
        history.store.audit.add(NOW - days * DAY, "dana", "pin", f"{days}", {})

    assert history.trim(Keep(age=DAY), audit=365 * DAY).audit == 1

    assert [each.subject for each in history.store.audit.find()] == ["2", "300"]
