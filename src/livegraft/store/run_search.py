"""What a filter of runs asks of their table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, Text, func, or_, select, type_coerce

from livegraft.run import first_id_of
from livegraft.run_filter import RunFilter
from livegraft.store import schema
from livegraft.store.search import LOOK_COUNT, OneOf, Page, find_rows

LOOK_COUNT_FOR_TEXT: Final = 4_000
"""Rows that one question looks at when it reads texts of unknown length, at most."""

_LAST: Final = "\U0010ffff"

_columns: Final = schema.runs.c
_TEXTS: Final = (_columns.arguments, _columns.result, _columns.failure)

RUN: Final = select(schema.runs)
SPAN: Final = select(
    _columns.id, _columns.script, _columns.state, _columns.queued_at, _columns.started_at, _columns.ended_at
)
"""The columns of a ``RunSpan``."""


def find_runs(connection: Connection, wanted: Select[Any], which: RunFilter, before: str | None, limit: int) -> Page:
    """Rows of runs, newest first; ``wanted`` is one of the above."""
    if which.scripts == ():
        return Page(())
    look = LOOK_COUNT_FOR_TEXT if which.text else LOOK_COUNT
    leads, rest, span = _indexed(which), _not_indexed(which), _span(which, before)
    return find_rows(connection, wanted, _columns.id, "", leads=leads, rest=rest, span=span, limit=limit, look=look)


def _indexed(which: RunFilter) -> list[OneOf]:
    parts: list[tuple[Column[Any], Sequence[str]]] = [
        (_columns.script, which.scripts or ()),
        (_columns.state, [state.value for state in which.states]),
        (_columns.actor, [which.actor] if which.actor else []),
        (_columns.trigger, [which.trigger.value] if which.trigger else []),
    ]
    return [OneOf(column, values) for column, values in parts if values]


def _not_indexed(which: RunFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.folder:
        found.append(_begins(_columns.script, which.folder))
    if which.version:
        found.append(or_(_begins(_columns.key, which.version), _begins(_columns.revision, which.version)))
    if which.text:
        found.append(or_(*(_contains(column, which.text) for column in _TEXTS)))
    return found


def _begins(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    of = func.coalesce(column, "")
    return (of >= prefix) & (of < prefix + _LAST)


def _contains(column: Column[Any], text: str) -> ColumnElement[bool]:
    as_kept = json.dumps(text)[1:-1]
    return func.coalesce(type_coerce(column, Text), "").icontains(as_kept, autoescape=True)


def _span(which: RunFilter, before: str | None) -> list[ColumnElement[bool]]:
    """Ids begin with the time."""
    last = [each for each in (before, first_id_of(which.until) if which.until else None) if each is not None]
    found = [_columns.id < min(last)] if last else []
    return [*found, _columns.id >= first_id_of(which.since)] if which.since else found
