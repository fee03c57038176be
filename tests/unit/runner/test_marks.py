"""When and at which level output was written."""

from __future__ import annotations

import pytest

from livegraft.runner.marks import MOST, Marks


def test_a_mark_is_made_when_the_level_changes_or_time_went_by() -> None:
    marks = Marks()
    for offset, at_ms, level in [(0, 1000, "out"), (5, 1003, "out"), (9, 1004, "err"), (20, 1050, "err")]:
        marks.add(offset, at_ms, level)

    assert marks.between(0, 100) == [(0, 1000, "out"), (9, 1004, "err"), (20, 1050, "err")]


def test_a_part_begins_with_the_mark_that_holds_there() -> None:
    marks = Marks()
    marks.add(0, 1000, "out")
    marks.add(50, 2000, "warning")

    assert marks.between(20, 50) == [(20, 1000, "out")]
    assert marks.between(60, 70) == [(60, 2000, "warning")]
    assert Marks().between(0, 10) == []


def test_a_clock_that_is_set_back_is_followed() -> None:
    marks = Marks()
    marks.add(0, 5000, "out")
    marks.add(10, 1000, "out")

    assert marks.between(0, 20) == [(0, 5000, "out"), (10, 1000, "out")]


@pytest.mark.parametrize(("levels", "joined"), [(("out", "out"), "out"), (("out", "error"), "")])
def test_more_marks_than_are_kept_are_joined_and_two_levels_become_none(levels: tuple[str, str], joined: str) -> None:
    marks = Marks()
    for n in range(MOST + 1):
        marks.add(n, n * 100, levels[n % 2])

    assert marks.between(0, 4) == [(0, 0, joined), (2, 200, joined)]
    assert len(marks.to_bytes()) <= MOST * 16
    assert marks.between(MOST, MOST + 1) == [(MOST, MOST * 100, levels[0])]


def test_stored_marks_are_the_same() -> None:
    marks = Marks()
    marks.add(0, 1000, "info")
    marks.add(7, 2000, "critical")

    assert Marks(marks.to_bytes()).between(0, 9) == marks.between(0, 9)
