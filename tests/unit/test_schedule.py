"""Cron lines and the slots they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livegraft.schedule import NAMED, Schedule, ScheduleError

FIELDS = [
    st.sampled_from(["*", "*/15", "0", "30", "5,35", "10-20/5"]),
    st.sampled_from(["*", "*/2", "0", "1", "2", "1,2,3", "6-22"]),
    st.sampled_from(["*", "*/10", "1", "29", "L", "LW", "1-7"]),
    st.sampled_from(["*", "3", "10", "JAN-JUN", "*/3"]),
    st.sampled_from(["*", "1-5", "SUN", "7", "5L", "1#2"]),
]
CRONS = st.tuples(*FIELDS).map(" ".join)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo"]
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def local(schedule: Schedule, first: datetime, last: datetime) -> list[str]:
    """The slots of some days as UTC times, for reading."""
    return [f"{slot_at:%d %H:%M}" for slot_at in schedule.between(first, last)]


def test_reads_a_line_with_its_zone() -> None:
    schedule = Schedule.parse("*/15 6-22  * * 1-5   Europe/Berlin")

    assert schedule == Schedule("*/15 6-22 * * 1-5", "Europe/Berlin")
    assert schedule.id == "*/15 6-22 * * 1-5 Europe/Berlin"


def test_a_line_without_a_zone_is_in_the_given_one() -> None:
    assert Schedule.parse("0 7 * * *", "Asia/Tokyo").timezone == "Asia/Tokyo"
    assert Schedule.parse("0 7 * * *").timezone == "UTC"


@pytest.mark.parametrize("name", NAMED)
def test_a_name_stands_for_its_expression(name: str) -> None:
    assert Schedule.parse(f"{name} Europe/Berlin") == Schedule(NAMED[name], "Europe/Berlin")


def test_says_itself_in_words() -> None:
    assert Schedule("0 7 * * *").words() == "At 07:00 every day"
    assert Schedule("0 0 22 * *", "Asia/Tokyo").words() == "At 00:00 on the 22nd day of every month, Asia/Tokyo"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected five fields"),
        ("* * * *", "got: '* * * *'"),
        ("0 0 0 0 * * * UTC", "then perhaps a time zone"),
        ("61 * * * * *", "expected second to be 0-59, got: '61 * * * * *'"),
        ("H/90 * * * *", "expected H, H/STEP or H(0-59)/STEP, got: 'H/90'"),
        ("H(5-99) * * * *", "expected H, H/STEP or H(0-59)/STEP"),
        ("HH * * * *", "expected minute to be 0-59"),
        ("61 * * * *", "expected minute to be 0-59, got: '61 * * * *'"),
        ("* 24 * * *", "expected hour to be 0-23"),
        ("* * 32 * *", "expected day-of-month to be 1-31"),
        ("* * * 13 *", "expected month to be 1-12"),
        ("* * * * 8", "expected day-of-week to be 0-7"),
        (f"{'0' * 5000} * * * *", "expected five fields"),
        ("@dayly", "did you mean '@daily'?"),
        ("@reboot", "one of @hourly"),
        ("@daily @daily", "expected an IANA time zone"),
        ("0 7 * * * Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("0 7 * * * europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("0 7 * * * ../../etc/passwd", "expected an IANA time zone"),
        ("0 7 * * * Europe", "expected an IANA time zone"),
    ],
)
def test_names_what_is_wrong_and_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Schedule.parse(text)
    assert expected in str(caught.value)


def test_six_fields_begin_with_the_second_and_may_have_a_zone() -> None:
    at = datetime(2026, 1, 1, 7, tzinfo=UTC)

    assert Schedule.parse("*/5 * * * * *").next_after(at) == at + timedelta(seconds=5)
    assert Schedule.parse("0 30 1 * * SUN America/New_York") == Schedule("0 30 1 * * SUN", "America/New_York")
    assert Schedule.parse("30 1 * * SUN America/New_York") == Schedule("30 1 * * SUN", "America/New_York")


class TestHashed:
    """``H`` in a field: a value that stays the same for a script, so that scripts do not all start at once."""

    def test_a_script_keeps_its_value_and_another_has_another(self) -> None:
        drawn = [Schedule.parse("H H * * *", seed=name).cron for name in ("daily", "daily", "weekly")]

        assert drawn[0] == drawn[1] != drawn[2]

    def test_many_scripts_are_spread_over_the_whole_field(self) -> None:
        minutes = {Schedule.parse("H * * * *", seed=f"script{number}").cron.split()[0] for number in range(1_000)}

        assert len(minutes) == 60

    @given(seed=st.text(), text=st.sampled_from(["H/15 H(0-3) * * *", "H H(1-5),12 H H H", "H(10-20)/5 H * * MON-FRI"]))
    def test_what_is_drawn_is_in_the_range(self, seed: str, text: str) -> None:
        minute, hour = Schedule.parse(text, seed=seed).cron.split()[:2]

        if text.startswith("H/15"):
            first = int(minute.partition("-")[0])
            assert minute == f"{first}-59/15"
            assert first < 15
            assert int(hour) <= 3
        assert Schedule.parse(text, seed=seed).cron == Schedule.parse(text, seed=seed).cron

    def test_names_of_days_and_months_with_an_h_in_them_stay(self) -> None:
        assert Schedule.parse("0 0 * MAR THU").cron == "0 0 * MAR THU"


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6 *", "0 0 */31 * 5#2", "0 0 0 31 2 *"])
def test_refuses_a_line_that_never_comes_due(cron: str) -> None:
    with pytest.raises(ScheduleError, match="expected a schedule that comes due"):
        Schedule(cron)


def test_a_leap_day_comes_due() -> None:
    assert Schedule("0 0 29 2 *").next_after(datetime(2024, 2, 29, tzinfo=UTC)) == datetime(2028, 2, 29, tzinfo=UTC)


def test_the_next_slot_is_strictly_after() -> None:
    at = datetime(2026, 1, 1, 7, tzinfo=UTC)

    assert Schedule("0 7 * * *").next_after(at) == at + timedelta(days=1)
    assert Schedule("0 7 * * *").next_after(at - timedelta(microseconds=1)) == at


class TestWhenTheClocksChange:
    """Days on which an hour is left out or repeated; all times are UTC."""

    def test_new_york_autumn_a_fixed_time_in_the_repeated_hour_runs_once(self) -> None:
        schedule = Schedule("30 1 * * *", "America/New_York")
        day = datetime(2026, 11, 1, tzinfo=UTC)

        assert local(schedule, day, day + timedelta(days=2)) == ["01 05:30", "02 06:30"]

    def test_new_york_autumn_seen_from_the_second_pass_the_slot_is_gone(self) -> None:
        second_pass = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)

        slot_at = Schedule("30 1 * * *", "America/New_York").next_after(second_pass)

        assert slot_at == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)

    def test_new_york_spring_a_time_left_out_runs_once_when_time_goes_on(self) -> None:
        schedule = Schedule("30 2 * * *", "America/New_York")
        day = datetime(2026, 3, 8, tzinfo=UTC)

        assert local(schedule, day, day + timedelta(days=2)) == ["08 07:00", "09 06:30"]

    def test_berlin_autumn_a_fixed_time_runs_once_and_an_interval_in_both_passes(self) -> None:
        before, after = datetime(2026, 10, 24, 23, 59, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC)

        assert local(Schedule("30 2 * * *", "Europe/Berlin"), before, after) == ["25 00:30"]
        assert local(Schedule("*/30 * * * *", "Europe/Berlin"), before, after) == [
            "25 00:00",
            "25 00:30",
            "25 01:00",
            "25 01:30",
            "25 02:00",
        ]

    def test_berlin_spring_a_fixed_time_runs_once_and_an_interval_invents_nothing(self) -> None:
        before, after = datetime(2026, 3, 28, 23, 59, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC)

        assert local(Schedule("30 2 * * *", "Europe/Berlin"), before, after) == ["29 01:00"]
        assert local(Schedule("*/30 2 * * *", "Europe/Berlin"), before, after) == []
        assert local(Schedule("*/30 * * * *", "Europe/Berlin"), before, after) == [
            "29 00:00",
            "29 00:30",
            "29 01:00",
            "29 01:30",
            "29 02:00",
        ]

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            (
                "30 2 * * * Europe/Berlin",
                [
                    "2027-03-28: clocks go from 02:00 to 03:00; what is due at 02:30 runs at 03:00",
                    "2027-10-31: clocks go from 03:00 to 02:00; 02:30 comes twice and runs the first time only",
                ],
            ),
            (
                "*/30 2 * * * Europe/Berlin",
                [
                    "2027-03-28: clocks go from 02:00 to 03:00; 02:00, 02:30 do not exist and do not run",
                    "2027-10-31: clocks go from 03:00 to 02:00; 02:00, 02:30 come twice and run both times",
                ],
            ),
            ("0 7 * * * Europe/Berlin", []),
            ("*/15 * * * * Europe/Berlin", []),
            ("30 2 * * MON Europe/Berlin", []),
            ("30 2 * * *", []),
        ],
    )
    def test_the_page_says_where_the_rule_bites_in_the_next_year(self, line: str, told: list[str]) -> None:
        now = datetime(2026, 11, 26, tzinfo=UTC)

        changes = Schedule.parse(line).clock_changes(now, now + timedelta(days=365))

        assert [change.words() for change in changes] == told


@given(cron=CRONS, zone=ZONES, at=INSTANTS)
def test_slots_go_forward_and_do_not_depend_on_where_the_walk_began(cron: str, zone: str, at: datetime) -> None:
    schedule = Schedule(cron, zone)

    walked = list(islice(schedule.between(at, at + timedelta(days=400)), 20))
    stepped = []
    position = at
    for _ in walked:
        position = schedule.next_after(position)
        stepped.append(position)

    assert walked == stepped
    assert [at, *walked] == sorted({at, *walked})


@given(cron=CRONS, zone=ZONES, at=INSTANTS, part=st.integers(0, 999))
def test_between_two_slots_the_next_one_is_the_later(cron: str, zone: str, at: datetime, part: int) -> None:
    schedule = Schedule(cron, zone)
    first = schedule.next_after(at)
    second = schedule.next_after(first)

    assert schedule.next_after(first + (second - first) * part / 1000) == second


@given(text=st.text() | st.lists(st.text("0123456789*/-,#LW@ SUNJA", max_size=6), max_size=7).map(" ".join))
def test_any_text_is_a_schedule_with_words_and_a_slot_or_an_error(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except ScheduleError:
        return
    assert schedule.words()
    assert schedule.next_after(datetime(2026, 1, 1, tzinfo=UTC)).tzinfo is UTC
