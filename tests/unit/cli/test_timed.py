"""Output with the time and the level of each line."""

from __future__ import annotations

from livegraft.cli.timed import TimedLines

NOON = 1_709_208_000_000
"""2024-02-29 12:00:00 UTC, in milliseconds."""


def test_each_line_begins_with_its_time_and_level() -> None:
    marks = [(0, NOON, "out"), (8, NOON + 250, "warning")]

    assert TimedLines().write("one\ntwo\nlow disk\n", marks) == (
        "12:00:00.000 out      one\n12:00:00.000 out      two\n12:00:00.250 warning  low disk\n"
    )


def test_a_line_that_comes_in_pieces_has_the_time_of_its_beginning() -> None:
    timed = TimedLines()

    assert timed.write("10 %", [(0, NOON, "out")]) == "12:00:00.000 out      10 %"
    assert timed.write(" 20 %\nnext", [(0, NOON + 1, "out")]) == " 20 %\n12:00:00.001 out      next"


def test_places_count_as_browsers_count() -> None:
    marks = [(0, NOON, "out"), (3, NOON + 5, "err")]

    assert TimedLines().write("\U0001f600\nsecond", marks) == (
        "12:00:00.000 out      \U0001f600\n12:00:00.005 err      second"
    )


def test_what_has_no_level_has_its_time() -> None:
    assert TimedLines().write("isolated", [(0, NOON, "")]) == "12:00:00.000          isolated"
