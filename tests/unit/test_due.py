"""What becomes of the slots that have come due."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from livegraft.due import GRACE, MAX_MISSED_ROWS, CatchUp, DueSlot, due_slots
from livegraft.header import Missed
from livegraft.schedule import Schedule

HOURLY = Schedule("0 * * * *")
MINUTELY = Schedule("* * * * *")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def due(
    after: datetime, now: datetime, catch_up: CatchUp, schedule: Schedule = HOURLY, decided: Collection[datetime] = ()
) -> list[DueSlot]:
    return list(due_slots(schedule, after, now, catch_up, lambda first, last: decided))


def runs(slots: list[DueSlot]) -> list[str]:
    return [f"{slot.slot_at:%H:%M}" for slot in slots if not slot.missed_reason]


def test_a_slot_on_time_runs_whatever_is_said_of_missed_ones() -> None:
    for missed in Missed:
        slots = due(NOON - HOUR, NOON + timedelta(seconds=59), CatchUp(missed, limit=1))

        assert slots == [DueSlot(NOON, late=False)]


def test_skip_runs_no_late_slot_and_says_so() -> None:
    slots = due(NOON - 3 * HOUR, NOON + 20 * GRACE, CatchUp(Missed.SKIP))

    assert runs(slots) == []
    assert slots[-1].missed_reason == "noticed 0:20:00 late; missed = 'skip' runs no late slot"


def test_latest_runs_the_newest_slot_for_all_that_were_missed() -> None:
    slots = due(NOON - 3 * HOUR, NOON + 20 * GRACE, CatchUp(Missed.LATEST))

    assert runs(slots) == ["12:00"]
    assert slots[-1].late
    assert [slot.slot_at for slot in slots] == [NOON - 2 * HOUR, NOON - HOUR, NOON]


def test_what_is_decided_already_is_left_out_and_nothing_stands_for_it() -> None:
    decided = [NOON - HOUR, NOON]

    assert runs(due(NOON - 4 * HOUR, NOON + 20 * GRACE, CatchUp(Missed.LATEST), decided=decided)) == ["10:00"]

    minutes = [NOON - timedelta(minutes=minute) for minute in range(60)]
    first, *_ = due(NOON - 40 * HOUR, NOON, CatchUp(Missed.SKIP), MINUTELY, decided=minutes)
    assert first.slot_at == NOON - timedelta(minutes=60 + MAX_MISSED_ROWS - 1)
    assert "it stands for 1340 earlier slots too" in first.missed_reason


def test_all_runs_each_up_to_the_bound() -> None:
    assert runs(due(NOON - 4 * HOUR, NOON + 20 * GRACE, CatchUp(Missed.ALL))) == ["09:00", "10:00", "11:00", "12:00"]

    bounded = due(NOON - 4 * HOUR, NOON + 20 * GRACE, CatchUp(Missed.ALL, limit=2))
    assert runs(bounded) == ["11:00", "12:00"]
    assert "the newest 2 slots only" in bounded[0].missed_reason


def test_what_is_older_than_the_window_is_not_caught_up() -> None:
    daily = Schedule("0 7 * * *")

    for missed in (Missed.LATEST, Missed.ALL):
        too_old = due(NOON - 24 * HOUR, NOON, CatchUp(missed, window=4 * HOUR), daily)
        in_time = due(NOON - 24 * HOUR, NOON, CatchUp(missed, window=5 * HOUR), daily)

        assert runs(too_old) == []
        assert "older than the 4:00:00 within which slots are caught up" in too_old[0].missed_reason
        assert runs(in_time) == ["07:00"]


def test_after_years_the_newest_rows_are_written_and_the_oldest_tells_of_the_rest() -> None:
    slots = due(NOON - timedelta(days=3 * 365), NOON, CatchUp(Missed.LATEST), MINUTELY)

    assert len(slots) == MAX_MISSED_ROWS + 1
    assert "it stands for more than 9999 earlier slots too, from 2023-03-03 12:01 UTC on" in slots[0].missed_reason


def test_with_a_low_bound_and_many_slots_on_time_the_oldest_row_still_tells_of_the_rest() -> None:
    every_second = Schedule("* * * * * *")

    slots = due(NOON - timedelta(hours=1), NOON, CatchUp(Missed.SKIP, limit=1), every_second)

    assert sum(not slot.late for slot in slots) == 60
    assert "earlier slots too, from 2026-03-02 11:00 UTC on" in slots[0].missed_reason


@given(
    outage=st.integers(0, 5_000).map(lambda minutes: timedelta(minutes=minutes)),
    late=st.integers(0, 3_599).map(lambda seconds: timedelta(seconds=seconds)),
    missed=st.sampled_from(Missed),
    window=st.integers(0, 100_000).map(lambda seconds: timedelta(seconds=seconds)),
    limit=st.integers(0, 300),
)
def test_every_due_slot_is_there_once_and_what_runs_is_the_newest(
    outage: timedelta, late: timedelta, missed: Missed, window: timedelta, limit: int
) -> None:
    now = NOON + late
    slots = due(now - outage, now, CatchUp(missed, window, limit))
    running = [not slot.missed_reason for slot in slots]

    assert [slot.slot_at for slot in slots] == list(HOURLY.between(now - outage, now))
    assert running == sorted(running)
    assert all(slot.late == (now - slot.slot_at >= GRACE) for slot in slots)
    for slot in slots:
        if slot.late and not slot.missed_reason:
            assert missed is not Missed.SKIP
            assert now - slot.slot_at <= window
