"""What ``run`` returned, made into what is kept of it: a table, a picture, HTML, Markdown, JSON, else a short text."""

from __future__ import annotations

from typing import Any, Final

from livegraft.run import BODY_KINDS, MEDIA_TYPES, RunResult
from livegraft.runner.frames import table_of
from livegraft.runner.interrupt import RunCancelledError
from livegraft.runner.plain import NotJsonError, plain, short_text
from livegraft.runner.rich import shown
from livegraft.table import Table

BODY_LIMIT: Final = 2 << 20
"""Bytes of a table, a picture or a text; an isolated run tells them in one line of its pipe."""

_PLAIN_TYPES: Final = frozenset({type(None), bool, int, float, str, list, dict, tuple})


def content(result: RunResult | None) -> Any:
    """A whole result for a program: JSON value, Table, the text of HTML, SVG or Markdown, the bytes of a picture."""
    if result is None or result.kind not in BODY_KINDS:
        return result.value if result else None
    if result.kind == "table":
        return Table.parse(result.body)
    return (
        result.body
        if MEDIA_TYPES[result.kind] in ("image/png", "image/jpeg")
        else result.body.decode("utf-8", "replace")
    )


def keep(value: object) -> RunResult:
    """What is kept of a value, with a note when that is less than it was. Raises nothing but RunCancelledError."""
    notes: list[str] = []
    if type(value) not in _PLAIN_TYPES:
        made = _table(value, notes) or _shown(value, notes)
        if made is not None:
            return made
    return _plain(value, notes)


def _table(value: object, notes: list[str]) -> RunResult | None:
    try:
        table = table_of(value, BODY_LIMIT)
        if table is None:
            return None
        body = table.dump()
    except RunCancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - methods of the value may be the script's code and raise anything
        notes.append(f"the result cannot be made into a table: {type(error).__qualname__}")
        return None
    whole = len(table.rows) == table.row_count
    note = "" if whole else f"the first {len(table.rows)} of {table.row_count} rows are kept"
    about = {"columns": list(table.columns), "row_count": table.row_count}
    return RunResult("table", about, note, body)


def _shown(value: object, notes: list[str]) -> RunResult | None:
    found = shown(value, BODY_LIMIT, notes)
    return RunResult(found[0], None, "; ".join(notes), found[1]) if found else None


def _plain(value: object, notes: list[str]) -> RunResult:
    try:
        return RunResult("json", plain(value), "; ".join(notes))
    except RunCancelledError:
        raise
    except NotJsonError as error:
        notes.append(str(error))
    except BaseException as error:  # noqa: BLE001 - as above
        notes.append(f"the result cannot be made into JSON: {type(error).__qualname__}")
    return RunResult("text", short_text(value), "; ".join(notes))
