"""The calendar of what was due: which colour an hour has, and its words for those who do not see it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from livegraft.store import TALLIED, SlotTally
from livegraft.web.heat import DAYS, HOUR, Cell, calendar, first_hour, hour_count

NOW = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)


def tallies(**at: SlotTally) -> list[SlotTally]:
    """All hours of the calendar, empty but for those of today that are given as ``h7``."""
    hours = [first_hour(NOW) + n * HOUR for n in range(hour_count(NOW))]
    today = {NOW.replace(hour=int(name[1:]), minute=0): tally for name, tally in at.items()}
    return [replace(today[hour], since=hour) if hour in today else SlotTally(hour) for hour in hours]


def cell(**counts: int) -> Cell | None:
    return calendar(tallies(h3=SlotTally(NOW, **counts)))[0].cells[3]


def test_it_ends_with_the_present_hour_and_begins_at_midnight() -> None:
    days = calendar(tallies(h7=SlotTally(NOW, ran=1)))

    assert len(days) == DAYS
    assert [days[0].name, days[-1].name] == ["Thu 26 Nov", "Fri 13 Nov"]
    assert [len(day.cells) for day in (days[0], days[1])] == [8, 24]
    assert first_hour(NOW) == datetime(2026, 11, 13, tzinfo=UTC)
    assert NOW - first_hour(NOW) < timedelta(days=DAYS)


def test_an_hour_is_the_darker_the_more_ran() -> None:
    looks = [found.look for count in (1, 4, 20) if (found := cell(ran=count))]

    assert looks == ["ran step-1", "ran step-2", "ran step-3"]


def test_what_was_missed_outweighs_what_was_skipped_and_that_what_ran() -> None:
    assert cell(ran=5, skipped=1) == Cell("2026-11-26T03", "skipped", "-", "Thu 26 Nov, 03:00 UTC: 5 ran, 1 skipped")
    assert cell(ran=5, skipped=1, missed=2) == Cell(
        "2026-11-26T03", "missed", "!", "Thu 26 Nov, 03:00 UTC: 5 ran, 1 skipped, 2 missed"
    )


def test_a_run_that_failed_outweighs_all_else_and_the_day_shows_it_too() -> None:
    looks = [found.look for count in (1, 4, 20) if (found := cell(ran=20, failed=count))]
    today, yesterday = calendar(tallies(h3=SlotTally(NOW, ran=5, skipped=1, missed=2, failed=2)))[:2]
    said = "5 ran (2 failed), 1 skipped, 2 missed"

    assert looks == ["failed step-1", "failed step-2", "failed step-3"]
    assert today.cells[3] == Cell(
        "2026-11-26T03", "failed step-1", "\N{MULTIPLICATION SIGN}", f"Thu 26 Nov, 03:00 UTC: {said}"
    )
    assert [(day.look, day.said) for day in (today, yesterday)] == [("failed", said), ("", "nothing due")]


def test_a_count_that_was_given_up_says_so() -> None:
    found = cell(ran=TALLIED)

    assert found is not None
    assert found.said.endswith(f"{TALLIED} and more ran")


def test_an_hour_without_due_times_is_empty_and_so_is_a_calendar_without_any() -> None:
    assert calendar(tallies(h7=SlotTally(NOW, ran=1)))[0].cells[3] is None
    assert calendar(tallies()) == ()
