"""Two sources side by side, line by line, with what differs inside a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import zip_longest
from typing import Final

CONTEXT: Final = 3
"""Lines that stay the same and are shown around a change."""

LONGEST: Final = 5_000
"""Lines; of longer sources the comparison would hold up the page."""

_WORDS: Final = re.compile(r"\w+|\s+|.")
_ALIKE: Final = 0.4
_LONGEST_LINE: Final = 1_000
"""Lines that have less in common, or more characters, are not compared word by word."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its number; of its ``parts``, in order, each says whether the other side lacks it."""

    number: int
    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines beside each other; one of them is None where lines were added or removed."""

    old: Line | None
    new: Line | None
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """So many lines that are the same and not shown."""

    count: int


@lru_cache(maxsize=64)
def side_by_side(old: str, new: str) -> tuple[Row | Fold, ...]:
    """Empty when the texts are the same. Raises ValueError when one is too long."""
    olds, news = old.splitlines(), new.splitlines()
    if max(len(olds), len(news)) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} lines, got: {max(len(olds), len(news))}")
    return tuple(_rows(olds, news)) if olds != news else ()


def _rows(olds: Sequence[str], news: Sequence[str]) -> Iterator[Row | Fold]:
    shown_to = 0
    for group in SequenceMatcher(None, olds, news).get_grouped_opcodes(CONTEXT):
        if group[0][1] > shown_to:
            yield Fold(group[0][1] - shown_to)
        for tag, old_from, old_to, new_from, new_to in group:
            pairs = zip_longest(range(old_from, old_to), range(new_from, new_to))
            for old_at, new_at in pairs:
                yield _row(olds, news, old_at, new_at, is_same=tag == "equal")
        shown_to = group[-1][2]
    if shown_to < len(olds):
        yield Fold(len(olds) - shown_to)


def _row(olds: Sequence[str], news: Sequence[str], old_at: int | None, new_at: int | None, *, is_same: bool) -> Row:
    old_text = olds[old_at] if old_at is not None else None
    new_text = news[new_at] if new_at is not None else None
    if old_text is not None and new_text is not None and not is_same:
        old_parts, new_parts = _compared(old_text, new_text)
    else:
        old_parts, new_parts = ((old_text or "", False),), ((new_text or "", False),)
    return Row(
        Line(old_at + 1, old_parts) if old_at is not None else None,
        Line(new_at + 1, new_parts) if new_at is not None else None,
        is_same,
    )


def _compared(old: str, new: str) -> tuple[tuple[tuple[str, bool], ...], tuple[tuple[str, bool], ...]]:
    if max(len(old), len(new)) > _LONGEST_LINE:
        return ((old, False),), ((new, False),)
    olds, news = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, olds, news, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return ((old, False),), ((new, False),)
    old_parts, new_parts = [], []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        differs = tag != "equal"
        old_parts.append(("".join(olds[old_from:old_to]), differs))
        new_parts.append(("".join(news[new_from:new_to]), differs))
    return tuple(part for part in old_parts if part[0]), tuple(part for part in new_parts if part[0])
