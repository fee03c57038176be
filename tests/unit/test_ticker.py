"""The ticker on a clock that stands still until it is moved."""

from __future__ import annotations

import importlib.resources
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from livegraft.due import CatchUp
from livegraft.errors import NotRunnableError
from livegraft.header import Missed, Overlap
from livegraft.schedule import Schedule, forget_zones
from livegraft.store import SlotCause, SlotRecord, SlotState
from livegraft.testing import FakeClock
from livegraft.ticker import Entry, Suspension, Ticker
from tests.support.slots import MemorySlots, NotingStarter

START = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
MINUTELY = Schedule("* * * * *")
HOURLY = Schedule("0 * * * *")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Desk:
    """A ticker with all that it needs, and what is seen of it."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.slots = MemorySlots()
        self.starter = NotingStarter()
        self.told: list[SlotRecord] = []
        self.jumps: list[timedelta] = []
        self.ticker = self._new()

    def _new(self) -> Ticker:
        return Ticker(
            slots=self.slots, clock=self.clock, starter=self.starter, told=self.told.append, jumped=self.jumps.append
        )

    def tick(self, script: str = "daily", **entry: object) -> None:
        """Begin to tick for one script."""
        self.ticker.replan({script: Entry(**({"schedules": (MINUTELY,)} | entry))})  # type: ignore[arg-type]
        self.ticker.start()
        self.clock.until_waiting()

    def pass_time(self, by: timedelta, step: timedelta = MINUTE) -> None:
        for _ in range(by // step):
            self.clock.advance(step)
            self.clock.until_waiting()

    def jump(self, by: timedelta) -> None:
        self.clock.jump(self.clock.now() + by)
        self.clock.until_waiting()

    def restart(self, **entry: object) -> None:
        self.ticker.stop()
        self.ticker = self._new()
        self.tick(**entry)  # type: ignore[arg-type]

    @property
    def rows(self) -> list[str]:
        """The slots as ``12:01 ran``, oldest first; with their cause if they have one."""
        rows = sorted(self.slots.rows.values(), key=lambda row: row.slot_at)
        return [f"{row.slot_at:%H:%M} {row.state} {row.cause}".strip() for row in rows]

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state.value for row in self.slots.rows.values())


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.ticker.stop()


@contextmanager
def broken(slots: MemorySlots) -> Iterator[None]:
    slots.broken = True
    yield
    slots.broken = False


def test_each_slot_runs_at_its_time_and_has_a_row(desk: Desk) -> None:
    desk.tick()
    desk.pass_time(2 * MINUTE)

    assert desk.rows == ["12:01 ran", "12:02 ran"]
    assert [run.slot_at for run in desk.starter.launched] == [
        START.replace(minute=1, second=0),
        START.replace(minute=2, second=0),
    ]
    assert {row.lateness for row in desk.slots.rows.values()} == {timedelta(seconds=30)}
    assert desk.told == []


class TestOverlap:
    def test_skip_is_a_row_that_names_the_run(self, desk: Desk) -> None:
        desk.starter.going["daily"] = "abc"
        desk.tick()
        desk.pass_time(MINUTE)

        assert desk.rows == ["12:01 skipped overlap"]
        assert desk.told[0].reason == "run abc is still going"

    def test_parallel_does_not_ask(self, desk: Desk) -> None:
        desk.starter.going["daily"] = "abc"
        desk.tick(overlap=Overlap.PARALLEL)
        desk.pass_time(MINUTE)

        assert desk.rows == ["12:01 ran"]

    def test_queue_has_as_many_wait_as_it_may(self, desk: Desk) -> None:
        desk.starter.going["daily"] = "abc"
        desk.tick(overlap=Overlap.QUEUE, overlap_limit=2)
        desk.pass_time(4 * MINUTE)

        assert desk.rows == ["12:01 ran overlap", "12:02 ran overlap", "12:03 skipped overlap", "12:04 skipped overlap"]
        assert all(run.waits for run in desk.starter.launched)
        assert desk.told[-1].reason.endswith("2 slots wait: as many as overlap-limit allows")

    def test_replace_cancels_what_goes_on_and_waits_for_its_end(self, desk: Desk) -> None:
        desk.starter.going["daily"] = "abc"
        desk.tick(overlap=Overlap.REPLACE)
        desk.pass_time(MINUTE)

        assert desk.rows == ["12:01 ran overlap"]
        assert desk.starter.replaced == ["daily"]
        assert desk.starter.launched[0].waits


def test_while_a_script_is_suspended_its_slots_are_skipped_and_say_why(desk: Desk) -> None:
    for cause in (SlotCause.PAUSED, SlotCause.QUARANTINE, SlotCause.SAFE_MODE):
        desk.tick(suspended=Suspension(cause, f"{cause} by alice"))
        desk.pass_time(MINUTE)

    assert desk.rows == ["12:01 skipped paused", "12:02 skipped quarantine", "12:03 skipped safe mode"]
    assert desk.told[0].reason == "paused by alice"


def test_a_script_that_takes_no_runs_skips_its_slot_and_says_why(desk: Desk) -> None:
    desk.starter.refusal = NotRunnableError("it never loaded")
    desk.tick()
    desk.pass_time(MINUTE)

    assert desk.rows == ["12:01 skipped error"]
    assert desk.told[0].reason == "it never loaded"


class TestAfterAnOutage:
    def test_latest_runs_once_and_the_missed_slots_lead_to_that_run(self, desk: Desk) -> None:
        desk.tick(schedules=(HOURLY,))
        desk.ticker.stop()
        desk.clock.advance(3 * HOUR + 10 * MINUTE)
        desk.restart(schedules=(HOURLY,))

        assert desk.rows == ["13:00 missed late", "14:00 missed late", "15:00 ran late"]
        run = desk.starter.launched[0]
        assert {row.run_id for row in desk.slots.rows.values()} == {run.id}

    def test_a_crash_between_the_missed_rows_and_the_run_loses_no_pointer(self, desk: Desk) -> None:
        desk.tick(schedules=(HOURLY,))
        desk.ticker.stop()
        for missed_at in (START.replace(hour=13, minute=0, second=0), START.replace(hour=14, minute=0, second=0)):
            desk.slots.claim(SlotRecord("daily", HOURLY.id, missed_at, SlotState.MISSED, missed_at + 2 * HOUR))
        desk.clock.advance(3 * HOUR + 10 * MINUTE)
        desk.restart(schedules=(HOURLY,))

        assert {row.run_id for row in desk.slots.rows.values()} == {desk.starter.launched[0].id}

    def test_all_has_each_run_one_behind_the_other(self, desk: Desk) -> None:
        entry = {"schedules": (HOURLY,), "catch_up": CatchUp(Missed.ALL)}
        desk.tick(**entry)  # type: ignore[arg-type]
        desk.ticker.stop()
        desk.clock.advance(3 * HOUR + 10 * MINUTE)
        desk.starter.going["daily"] = "abc"
        desk.restart(**entry)

        assert desk.rows == ["13:00 ran late", "14:00 ran late", "15:00 ran late"]
        assert all(run.waits for run in desk.starter.launched)

    def test_many_delay_no_slot_of_another_script(self, desk: Desk) -> None:
        """One comes due while the first of them starts: it is next."""
        behind = Entry((MINUTELY,), overlap=Overlap.PARALLEL, catch_up=CatchUp(Missed.ALL))
        desk.ticker.replan({"behind": behind, "prompt": Entry((HOURLY,))})
        desk.ticker.start()
        desk.clock.until_waiting()
        due_at = START.replace(hour=13, minute=0, second=0)
        desk.starter.on_launch = lambda: desk.clock.jump(max(due_at, desk.clock.now()))
        desk.jump(59 * MINUTE)

        started = [run.script for run in desk.starter.launched]
        assert started[:3] == ["behind", "prompt", "behind"]
        assert started.count("behind") == 60

    def test_a_store_that_is_away_costs_no_slot(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        desk.tick()
        with broken(desk.slots):
            desk.pass_time(3 * MINUTE)
        desk.pass_time(MINUTE)

        assert [row.split()[0] for row in desk.rows] == ["12:01", "12:02", "12:03", "12:04"]
        assert "the disk is full" in caplog.text


class TestTheClock:
    @pytest.mark.parametrize("back", [timedelta(seconds=5), HOUR, DAY, 400 * DAY])
    def test_set_back_no_slot_runs_twice(self, desk: Desk, back: timedelta) -> None:
        desk.tick()
        desk.pass_time(3 * MINUTE)
        desk.jump(-back)
        desk.pass_time(4 * MINUTE)

        slots = [run.slot_at for run in desk.starter.launched]
        assert len(set(slots)) == len(slots)

    @pytest.mark.parametrize("by", [HOUR, DAY])
    def test_ahead_and_back_again_the_slots_between_run_at_their_time(self, desk: Desk, by: timedelta) -> None:
        desk.tick(schedules=(HOURLY,))
        desk.jump(by)
        assert desk.states["missed"] == by // HOUR - 1
        ahead = len(desk.starter.launched)
        desk.jump(-by)
        desk.pass_time(by, step=HOUR)

        assert desk.states == {"ran": by // HOUR}
        assert len(desk.starter.launched) == by // HOUR
        assert ahead == 1

    def test_years_ahead_is_no_storm(self, desk: Desk) -> None:
        desk.tick()
        desk.jump(400 * DAY)

        assert len(desk.starter.launched) == 1
        assert desk.states["missed"] == 1_000

    def test_a_jump_is_told_and_time_that_goes_by_is_not(self, desk: Desk) -> None:
        desk.tick()
        desk.clock.advance(DAY)
        desk.clock.until_waiting()
        desk.jump(timedelta(seconds=20))
        assert desk.jumps == []

        desk.jump(DAY)
        desk.jump(-HOUR)
        assert desk.jumps == [DAY, -HOUR]

    @pytest.mark.parametrize("drift", [0.9995, 1.0005])
    def test_a_clock_that_is_slewed_loses_and_doubles_no_slot(self, desk: Desk, drift: float) -> None:
        desk.tick()
        for _ in range(60):
            desk.clock.advance(10 * drift)
            desk.clock.jump(desk.clock.now() + timedelta(seconds=10 * (1 - drift)))
            desk.clock.until_waiting()

        assert len(desk.starter.launched) == 10
        assert desk.states == {"ran": 10}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Gives the zone ``Moved/Town`` the rules of another one."""
    zones, file = importlib.resources.files("tzdata") / "zoneinfo" / "Etc", tmp_path / "Moved" / "Town"

    def moves(to: str) -> None:
        file.parent.mkdir(exist_ok=True)
        (aside := tmp_path / "new").write_bytes((zones / to).read_bytes())
        aside.replace(file)

    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    yield moves
    zoneinfo.reset_tzpath()
    forget_zones()


def test_rules_of_a_zone_that_change_hold_from_then_on(desk: Desk, town: Callable[[str], None]) -> None:
    town("GMT-1")  # that is an hour before UTC
    desk.tick(schedules=(Schedule("30 13 * * *", "Moved/Town"),))
    desk.pass_time(2 * MINUTE)

    town("GMT+1")
    desk.pass_time(3 * HOUR)

    assert desk.rows == ["14:30 ran"], "and not at 12:30 UTC"


def test_slots_that_new_rules_put_into_the_past_are_told(desk: Desk, town: Callable[[str], None]) -> None:
    town("GMT+8")
    desk.tick(schedules=(Schedule("30 13 * * *", "Moved/Town"),))
    desk.pass_time(2 * MINUTE)  # counts from 12:00:30 UTC

    desk.clock.jump(START + HOUR)
    town("GMT-1")
    desk.pass_time(2 * MINUTE)

    assert desk.rows == ["12:30 ran late"], "caught up: by the new rules it was due half an hour before"


def test_what_left_does_not_fire_and_what_comes_back_counts_from_then(desk: Desk) -> None:
    desk.tick()
    desk.pass_time(MINUTE)
    desk.ticker.replan({})
    desk.pass_time(5 * MINUTE)
    desk.tick()
    desk.pass_time(MINUTE)

    assert desk.rows == ["12:01 ran", "12:07 ran"]


def test_what_leaves_while_its_slot_is_decided_does_not_fire(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.starter, "open_run", lambda script: desk.ticker.replan({}))
    desk.tick()
    desk.pass_time(MINUTE)

    assert desk.rows == []
    assert desk.starter.launched == []


def test_two_tickers_on_one_store_run_no_slot_twice(desk: Desk) -> None:
    other = Ticker(slots=desk.slots, clock=desk.clock, starter=desk.starter)
    other.replan({"daily": Entry((MINUTELY,))})
    other.start()
    desk.tick()
    for _ in range(5):
        desk.clock.advance(MINUTE)
        desk.clock.until_waiting(2)
    other.stop()

    assert desk.states == {"ran": 5}
    assert len(desk.starter.launched) == 5


def test_slots_that_another_process_decided_meanwhile_are_passed_over(desk: Desk) -> None:
    desk.tick()
    first, second, third = (START.replace(minute=minute, second=0) for minute in (1, 2, 3))
    for slot_at in (first, second):
        desk.slots.claim(SlotRecord("daily", MINUTELY.id, slot_at, SlotState.RAN, slot_at))
    desk.pass_time(2 * MINUTE, step=2 * MINUTE)
    desk.pass_time(MINUTE)

    assert [run.slot_at for run in desk.starter.launched] == [third]


def test_the_next_slots_are_told_of_all_scripts_that_tick(desk: Desk) -> None:
    paused = Suspension(SlotCause.PAUSED, "paused")
    desk.ticker.replan(
        {
            "daily": Entry((Schedule("0 0 * * *"),)),
            "hourly": Entry((HOURLY,)),
            "minutely": Entry((MINUTELY, HOURLY)),
            "paused": Entry((MINUTELY,), suspended=paused),
        }
    )
    desk.ticker.start()
    desk.clock.until_waiting()

    def coming(count: int, within: timedelta) -> list[str]:
        return [f"{slot.at:%H:%M} {slot.script}" for slot in desk.ticker.coming(count, desk.clock.now() + within)]

    assert coming(9, DAY) == ["12:01 minutely", "13:00 hourly", "13:00 minutely", "00:00 daily"]
    assert coming(2, DAY) == ["12:01 minutely", "13:00 hourly"]
    assert coming(9, HOUR) == ["12:01 minutely", "13:00 hourly", "13:00 minutely"]
    desk.ticker.replan({"hourly": Entry((HOURLY,))})
    assert coming(9, HOUR) == ["13:00 hourly"]


def test_all_slots_to_come_are_told_in_their_order(desk: Desk) -> None:
    desk.ticker.replan({"hourly": Entry((HOURLY,)), "often": Entry((Schedule("*/20 * * * *"), HOURLY))})
    desk.ticker.start()
    desk.clock.until_waiting()
    until = desk.clock.now() + 2 * HOUR

    coming = [f"{slot.at:%H:%M} {slot.script}" for slot in desk.ticker.all_coming(6, until)]

    assert coming == ["12:20 often", "12:40 often", "13:00 hourly", "13:00 often", "13:00 often", "13:20 often"]
    assert [f"{slot.at:%H:%M}" for slot in desk.ticker.coming_of("hourly", 9, until)] == ["13:00", "14:00"]


def test_a_suspended_script_has_no_slots_to_come(desk: Desk) -> None:
    desk.ticker.replan({"paused": Entry((MINUTELY,), suspended=Suspension(SlotCause.PAUSED, "paused"))})

    assert desk.ticker.coming_of("paused", 9, desk.clock.now() + HOUR) == ()
    assert desk.ticker.coming_of("unknown", 9, desk.clock.now() + HOUR) == ()


def test_a_schedule_whose_slot_is_being_started_is_told_with_its_next(desk: Desk) -> None:
    seen: list[datetime] = []
    desk.starter.on_launch = lambda: seen.extend(slot.at for slot in desk.ticker.coming(9, desk.clock.now() + HOUR))
    desk.tick()
    desk.pass_time(MINUTE)

    assert seen == [START.replace(minute=2, second=0)]
