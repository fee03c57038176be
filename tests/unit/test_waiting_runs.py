"""Runs that wait for their time or for their script: in a host whose clock the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from livegraft.errors import ArgumentsError, ConflictError
from livegraft.run import RunRecord, RunState, Trigger
from livegraft.store import SlotCause, SlotState
from livegraft.testing import FakeClock
from tests.support import eventually
from tests.support.host import Host, a_host

START = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

SAYS_ITS_SLOT = "from livegraft import slot_at\ndef run(): return slot_at() and slot_at().isoformat()\n"
GATE = """
# /// script
# [tool.livegraft]
# cron = "* * * * *"
# overlap = "{overlap}"
# ///
import time
from pathlib import Path
from livegraft import cancelled
def run():
    while not Path("{gate}").exists() and not cancelled():
        time.sleep(0.005)
"""


class Hands:
    """A host, the clock in its hands, and what is seen of its runs and slots."""

    def __init__(self, host: Host, clock: FakeClock) -> None:
        self.host, self.clock, self.supervisor = host, clock, host.supervisor

    def pass_minute(self) -> None:
        self.clock.advance(MINUTE)

    def runs(self, *states: RunState) -> list[RunRecord]:
        return sorted(self.supervisor.find_runs(states=states), key=lambda run: run.slot_at or run.queued_at)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait while the host's threads work; those that wait for the clock look again each fake second."""

        def tried() -> Any:
            self.clock.advance(0.001)
            return condition()

        return eventually(tried, what=what)

    def at(self, at: datetime, script: str = "daily", **arguments: object) -> str:
        return self.supervisor.run_at(script, at, arguments, trigger=Trigger.API, actor="dana").id


@contextmanager
def hands(folder: Path, files: dict[str, str], start: datetime = START, **settings: Any) -> Iterator[Hands]:
    clock = FakeClock(start)
    with a_host(folder, files=files, clock=clock, **settings) as host:
        yield Hands(host, clock)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


class TestRunAt:
    def test_it_starts_at_its_instant_and_not_before(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": "def run(days: int): return days\n"}) as here:
            id = here.at(START + 2 * MINUTE, days=3)
            here.pass_minute()
            assert here.supervisor.find_run(id).state is RunState.QUEUED

            here.pass_minute()
            ended = here.until(lambda: here.supervisor.find_run(id).ended_at, "it ran")

            assert ended >= START + 2 * MINUTE
            assert here.supervisor.find_run(id).result.value == 3  # type: ignore[union-attr]

    def test_it_can_be_cancelled_until_then(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": "def run(): pass\n"}) as here:
            id = here.at(START + MINUTE)

            assert here.supervisor.cancel(id, actor="dana").state is RunState.CANCELLED
            with pytest.raises(ConflictError):
                here.supervisor.cancel(id, actor="dana")

    def test_one_request_is_one_run(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": "def run(): pass\n"}) as here:
            about: dict[str, Any] = {"trigger": Trigger.API, "actor": "dana", "request": "r1"}
            ids = {here.supervisor.run_at("daily", START + MINUTE, {}, **about).id for _ in range(2)}

            assert len(ids) == 1

    def test_it_outlives_the_process_and_runs_the_version_that_is_live_then(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": "def run(): return 'old'\n"}) as here:
            id = here.at(START + 5 * MINUTE)
        with hands(tmp_path, {"daily.py": "def run(): return 'new'\n"}, START + 10 * MINUTE) as here:
            here.until(lambda: here.supervisor.find_run(id).ended_at, "it ran")

            assert here.supervisor.find_run(id).result.value == "new"  # type: ignore[union-attr]

    @pytest.mark.parametrize("header", ["missed = 'skip'", "missed-window = '4m'"])
    def test_too_late_it_is_cancelled_and_says_why(self, tmp_path: Path, header: str) -> None:
        script = f"# /// script\n# [tool.livegraft]\n# {header}\n# ///\ndef run(): pass\n"
        with hands(tmp_path, {"daily.py": script}) as here:
            id = here.at(START + MINUTE)
        with hands(tmp_path, {"README.md": "again"}, START + 10 * MINUTE) as here:
            here.host.take({"daily.py": script})
            here.until(lambda: here.supervisor.find_run(id).ended_at, "it is settled")

            record = here.supervisor.find_run(id)
            assert record.state is RunState.CANCELLED
            assert record.failure
            assert record.failure.message.startswith("noticed 0:09:00 late")

    def test_what_went_by_and_secrets_are_refused(self, tmp_path: Path) -> None:
        script = "from pydantic import SecretStr\ndef run(key: SecretStr): pass\n"
        with hands(tmp_path, {"daily.py": script}) as here:
            with pytest.raises(ArgumentsError, match="an instant with a zone that is to come"):
                here.at(START - MINUTE, key="k")
            with pytest.raises(ArgumentsError, match="key: is a secret, which is not kept"):
                here.at(START + MINUTE, key="k")


class TestOverlap:
    def test_a_queued_slot_begins_when_the_run_before_it_ends(self, tmp_path: Path, gate: Path) -> None:
        with hands(tmp_path, {"daily.py": GATE.format(overlap="queue", gate=gate)}) as here:
            here.pass_minute()
            here.until(lambda: here.runs(RunState.RUNNING), "the first runs")
            here.pass_minute()
            here.until(lambda: len(here.runs()) == 2, "the second waits")
            assert [run.state for run in here.runs()] == [RunState.RUNNING, RunState.QUEUED]

            gate.touch()
            here.until(lambda: all(run.ended_at for run in here.runs()), "both ended")
            first, second = here.runs()
            assert first.ended_at <= second.started_at  # type: ignore[operator]
            assert [slot.cause for slot in here.supervisor.slots()] == [SlotCause.OVERLAP, SlotCause.NONE]

    def test_a_queued_slot_outlives_a_restart(self, tmp_path: Path, gate: Path) -> None:
        script = GATE.format(overlap="queue", gate=gate)
        with hands(tmp_path, {"daily.py": script}) as here:
            here.pass_minute()
            here.until(lambda: here.runs(RunState.RUNNING), "the first runs")
            here.pass_minute()
            here.until(lambda: len(here.runs()) == 2, "the second waits")
            waiting = here.runs()[1].id
            gate.touch()
            here.supervisor._timetable.stop()
        with hands(tmp_path, {"daily.py": script}, START + 2 * MINUTE) as here:
            here.until(lambda: here.supervisor.find_run(waiting).ended_at, "it ran")

            assert here.supervisor.find_run(waiting).state is RunState.SUCCEEDED

    def test_replace_ends_the_run_before_and_begins_then(self, tmp_path: Path, gate: Path) -> None:
        with hands(tmp_path, {"daily.py": GATE.format(overlap="replace", gate=gate)}) as here:
            here.pass_minute()
            here.until(lambda: here.runs(RunState.RUNNING), "the first runs")
            here.pass_minute()
            here.until(lambda: here.runs(RunState.CANCELLED) and here.runs(RunState.RUNNING), "it is replaced")

            first, second = here.runs()
            assert first.failure
            assert first.failure.message == f"replaced by run {second.id}"
            assert second.state is RunState.RUNNING
            gate.touch()


class TestPause:
    def test_its_slots_are_skipped_until_it_is_resumed(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": f"# cron: * * * * *\n{SAYS_ITS_SLOT}"}) as here:
            here.supervisor.pause("daily", actor="dana", reason="stock-taking")
            here.pass_minute()
            here.until(lambda: here.supervisor.slots(), "the slot is told")
            [slot] = here.supervisor.slots()
            assert (slot.state, slot.cause) == (SlotState.SKIPPED, SlotCause.PAUSED)
            assert slot.reason == "paused by dana: stock-taking"
            assert here.supervisor.script("daily").schedules[0].next_at is None

            here.supervisor.unpause("daily", actor="erin")
            here.pass_minute()
            here.until(lambda: here.runs(RunState.SUCCEEDED), "it runs again")
            assert [(each.action, each.actor) for each in here.supervisor.audit(limit=2)] == [
                ("lift pause", "erin"),
                ("pause", "dana"),
            ]

    def test_what_is_not_paused_cannot_be_resumed(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": "def run(): pass\n"}) as here, pytest.raises(ConflictError):
            here.supervisor.unpause("daily", actor="dana")


class TestBackfill:
    def test_slots_without_a_run_get_one_that_knows_its_time(self, tmp_path: Path) -> None:
        first, last = START - timedelta(minutes=3), START + timedelta(minutes=1)
        with hands(tmp_path, {"daily.py": f"# cron: * * * * *\n{SAYS_ITS_SLOT}"}) as here:
            here.pass_minute()
            here.until(lambda: here.runs(RunState.SUCCEEDED), "one slot ran")
            missing = here.supervisor.find_missing("daily", first, last)
            assert [f"{slot.slot_at:%H:%M}" for slot in missing] == ["11:58", "11:59", "12:00"]

            runs = here.supervisor.backfill("daily", first, last, trigger=Trigger.API, actor="dana")
            here.until(lambda: len(here.runs(RunState.SUCCEEDED)) == 4, "all ran")

            results = [here.supervisor.find_run(run.id).result.value for run in runs]  # type: ignore[union-attr]
            assert results == [slot.slot_at.isoformat() for slot in missing]
            assert here.supervisor.find_missing("daily", first, last) == []
            assert {slot.cause for slot in here.supervisor.slots()} == {SlotCause.NONE, SlotCause.BACKFILL}

    def test_a_range_with_too_many_slots_and_a_script_without_a_schedule_are_refused(self, tmp_path: Path) -> None:
        with hands(tmp_path, {"daily.py": f"# cron: * * * * *\n{SAYS_ITS_SLOT}", "other.py": SAYS_ITS_SLOT}) as here:
            with pytest.raises(ArgumentsError, match="at most 1,000 slots"):
                here.supervisor.find_missing("daily", START - timedelta(days=1), START)
            with pytest.raises(ArgumentsError, match="expected it to have a schedule"):
                here.supervisor.find_missing("other", START - timedelta(days=1), START)


def test_it_is_said_that_runs_outlast_their_interval(
    tmp_path: Path, gate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hands(tmp_path, {"daily.py": GATE.format(overlap="skip", gate=gate)}) as here:
        for count in range(1, 4):
            here.pass_minute()
            here.until(lambda wanted=count: len(here.supervisor.slots()) == wanted, "the slot is told")  # type: ignore[misc]
            here.until(lambda: here.runs(RunState.RUNNING), "the first runs")

        assert here.supervisor.outlasting("daily").endswith("at 2 of its last 3 due times one was still going.")
        assert caplog.text.count("runs of daily outlast their interval") == 1
        gate.touch()
