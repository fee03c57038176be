"""Rows by any filters, newest first, whatever the length of the history.

Each question follows one index in the order of ids, and looks at no more than so many of its rows: so that a rare
combination costs as little as a frequent one, a page may end before it is full. Of the filters that an index answers
the one leads whose rows reach furthest back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, func, select

LOOK_COUNT: Final = 20_000
"""Rows that one question looks at, at most."""

_MOST_QUESTIONS: Final = 20
"""A filter of more values than these leads no search, because each value has a question of its own."""

Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A filter by a column whose index has the ids in order for each value."""

    column: Column[Any]
    values: Sequence[str]

    @property
    def rest(self) -> ColumnElement[bool]:
        """The same for rows that another index found: of what is computed no database takes an index."""
        return func.coalesce(self.column, "").in_(self.values)


@dataclass(frozen=True, slots=True)
class Page:
    """``behind`` is the id in front of the rows behind, None when there are none. ``is_cut``: it stopped looking."""

    rows: Sequence[Row[Any]]
    behind: Any = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to the rows: conditions that each follow one index, and the last id that they look at (None: all)."""

    lead: OneOf | None
    conditions: Sequence[Conditions]
    end: Any = None


def find_rows(
    connection: Connection,
    wanted: Select[Any],
    id: Column[Any],
    lowest: str | int,
    *,
    leads: Sequence[OneOf],
    rest: Conditions = (),
    span: Conditions = (),
    limit: int,
    look: int = LOOK_COUNT,
) -> Page:
    """``wanted`` selects columns, the first of them the id, of which ``lowest`` is below every other.

    ``span`` bounds ids; no index answers ``rest``.
    """
    way = _way(connection, id, leads, rest, span, look)
    others = [*(each.rest for each in leads if each is not way.lead), *rest]
    if others:
        others.append(id >= (lowest if way.end is None else way.end))
    found: list[Row[Any]] = []
    for conditions in way.conditions:
        question = wanted.where(*conditions, *span, *others).order_by(id.desc()).limit(limit + 1)
        found.extend(connection.execute(question))
    found.sort(key=lambda row: row[0], reverse=True)
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1][0])
    return Page(found, way.end, way.end is not None)


def _way(
    connection: Connection, id: Column[Any], leads: Sequence[OneOf], rest: Conditions, span: Conditions, look: int
) -> _Way:
    ways = [
        _Way(lead, [[lead.column == value] for value in lead.values])
        for lead in leads
        if len(lead.values) <= _MOST_QUESTIONS
    ] or [_Way(None, [[]])]
    if not rest and all(lead is ways[0].lead for lead in leads):
        return ways[0]  # all that it finds is wanted: it ends when the page is full
    bounded = [replace(way, end=_end(connection, id, way, span, look)) for way in ways]
    return next((way for way in bounded if way.end is None), None) or min(bounded, key=lambda way: way.end)


def _end(connection: Connection, id: Column[Any], way: _Way, span: Conditions, look: int) -> Any:
    """The id at which a way stops: where the first of its questions does, so that nothing before it is missed."""
    ends = []
    for conditions in way.conditions:
        last = select(id).where(*conditions, *span).order_by(id.desc()).limit(1).offset(look - 1)
        ends.append(connection.execute(last).scalar())
    return max((end for end in ends if end is not None), default=None)
