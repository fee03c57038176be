"""Tables of pandas and polars as tables of livegraft, without importing either: who returns one has imported it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, time
from typing import Any, Final

from livegraft.runner.plain import short_text
from livegraft.table import Cell, Table

ROWS_LIMIT: Final = 10_000
COLUMNS_LIMIT: Final = 500
CELL_LIMIT: Final = 2_000
"""Characters of a cell that are kept."""

_SAFE_INTEGER: Final = 1 << 63
_MISSING: Final = frozenset({"NaTType", "NAType"})


def table_of(value: object, size_limit: int) -> Table | None:
    """A data frame or a series as a table of at most about ``size_limit`` bytes; None for everything else.

    Raises whatever methods of the value raise.
    """
    for name, read in _LIBRARIES.items():
        library = sys.modules.get(name)
        kinds = tuple(
            kind for each in ("DataFrame", "Series") if isinstance(kind := getattr(library, each, None), type)
        )
        if kinds and isinstance(value, kinds):
            columns, rows, count = read(value)
            return _bounded(columns[:COLUMNS_LIMIT], rows, count, size_limit)
    return None


def _pandas(value: Any) -> tuple[Sequence[str], Iterable[Sequence[Any]], int]:
    frame = value.to_frame() if value.ndim == 1 else value
    head = frame.head(ROWS_LIMIT)
    index = head.index
    columns = [_name(each) for each in head.columns]
    # Numbers that only count the rows say nothing.
    if type(index).__name__ == "RangeIndex" and index.name is None:
        return columns, head.itertuples(index=False, name=None), len(frame)
    names = [_name(each) if each is not None else "" for each in index.names]
    labelled = head.itertuples(index=True, name=None)
    rows = ((*(label if index.nlevels > 1 else (label,)), *cells) for label, *cells in labelled)
    return [*names, *columns], rows, len(frame)


def _polars(value: Any) -> tuple[Sequence[str], Iterable[Sequence[Any]], int]:
    frame = value.to_frame() if type(value).__name__ == "Series" else value
    return list(frame.columns), frame.head(ROWS_LIMIT).iter_rows(), frame.height


_LIBRARIES: Final[dict[str, Callable[[Any], tuple[Sequence[str], Iterable[Sequence[Any]], int]]]] = {
    "pandas": _pandas,
    "polars": _polars,
}


def _bounded(columns: Sequence[str], rows: Iterable[Sequence[Any]], count: int, size_limit: int) -> Table:
    left = size_limit - len(json.dumps(columns)) - 100
    kept: list[list[Cell]] = []
    for row in rows:
        cells = [_cell(each) for each in row[: len(columns)]]
        left -= len(json.dumps(cells, ensure_ascii=False).encode()) + 1
        if left < 0 or len(kept) >= ROWS_LIMIT:
            break
        kept.append(cells)
    return Table(columns, kept, count)


def _name(name: object) -> str:
    """The name of a column; those of several levels are joined."""
    if isinstance(name, tuple):
        return " / ".join(text for each in name if (text := _name(each)))
    return str(_cell(name))


def _cell(value: Any) -> Cell:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)[:CELL_LIMIT].encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value) if -_SAFE_INTEGER <= value < _SAFE_INTEGER else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None if math.isnan(value) else str(float(value))
    if type(value).__name__ in _MISSING:
        return None
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        item = value.item()
        return _cell(item) if type(item).__module__ != "numpy" else str(item)[:CELL_LIMIT]
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple, dict, set, bytes)):
        return short_text(value)[:CELL_LIMIT]
    return str(value)[:CELL_LIMIT].encode("utf-8", "replace").decode()
