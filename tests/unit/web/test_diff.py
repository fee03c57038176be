"""Two sources beside each other, as the page of a version's changes shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livegraft.web.diff import CONTEXT, LONGEST, Fold, Line, Row, side_by_side

LINES = st.lists(st.sampled_from(["a = 1", "b = 2", "return a", "", "x"]), max_size=30)


def text(line: Line | None) -> str | None:
    return None if line is None else "".join(part for part, _ in line.parts)


def test_what_is_the_same_is_nothing() -> None:
    assert side_by_side("a\nb\n", "a\nb") == ()


def test_a_changed_line_marks_the_words_that_differ() -> None:
    [row] = side_by_side("total = price * 2", "total = price * 3")

    assert isinstance(row, Row)
    assert row.old == Line(1, (("total = price * ", False), ("2", True)))
    assert row.new == Line(1, (("total = price * ", False), ("3", True)))


def test_lines_that_have_little_in_common_are_not_compared_by_words() -> None:
    [row] = side_by_side("import os", "def run(): return 7")

    assert isinstance(row, Row)
    assert row.old is not None
    assert row.old.parts == (("import os", False),)


def test_what_is_far_from_a_change_is_folded() -> None:
    old = [f"line {n}" for n in range(100)]
    new = [*old[:50], "fresh", *old[50:]]

    rows = side_by_side("\n".join(old), "\n".join(new))

    assert rows[0] == Fold(50 - CONTEXT)
    assert rows[-1] == Fold(50 - CONTEXT)
    assert [text(row.new) for row in rows if isinstance(row, Row) and row.old is None] == ["fresh"]


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 5000 lines, got: 5001"):
        side_by_side("", "x\n" * (LONGEST + 1))


@given(LINES, LINES)
def test_each_side_read_down_is_its_source(old: list[str], new: list[str]) -> None:
    rows = side_by_side("\n".join(old), "\n".join(new))

    for source, lines in (
        (old, [row.old for row in rows if isinstance(row, Row)]),
        (new, [row.new for row in rows if isinstance(row, Row)]),
    ):
        shown = {line.number: text(line) for line in lines if line is not None}
        kept = "\n".join(source).splitlines()
        assert all(kept[number - 1] == said for number, said in shown.items())
        folded = sum(row.count for row in rows if isinstance(row, Fold))
        assert not rows or len(shown) + folded == len(kept)
