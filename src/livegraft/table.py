"""A result that is a table: what is kept of it, how it is sorted, and its CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

Cell = str | int | float | bool | None

_CSV_ROWS: Final = 500
"""Rows of CSV that are made at once."""

_BEGIN_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With the wide forms, which some spreadsheets read as the narrow ones."""

_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns and rows of plain cells, each as long as there are columns.

    ``row_count`` is how many the whole had of which ``rows`` are the first.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    row_count: int

    @classmethod
    def of_records(cls, value: Any) -> Table | None:
        """A JSON value as a table, when it is a list of records without lists or records in them."""
        if not isinstance(value, list) or not value or not all(_is_flat(record) for record in value):
            return None
        columns = list(dict.fromkeys(name for record in value for name in record))
        return cls(columns, [[record.get(name) for name in columns] for record in value], len(value))

    @classmethod
    def parse(cls, body: bytes) -> Table:
        """What ``dump`` made. Raises ValueError when it is anything else: a run may have made it up."""
        try:
            match json.loads(body):
                case {"columns": [*columns], "rows": [*rows], "row_count": int(count)}:
                    if all(isinstance(name, str) for name in columns) and all(_fits(row, len(columns)) for row in rows):
                        return cls(columns, rows, max(count, len(rows)))
        except RecursionError:
            pass
        raise ValueError("expected a table: columns, rows and row_count")

    def dump(self) -> bytes:
        """The table as JSON, as it is kept."""
        made = {"columns": self.columns, "rows": self.rows, "row_count": self.row_count}
        return json.dumps(made, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    @property
    def numeric(self) -> frozenset[int]:
        """The places of the columns that hold nothing but numbers."""
        return frozenset(
            place for place in range(len(self.columns)) if all(_is_number_or_none(row[place]) for row in self.rows)
        )

    def sorted_by(self, place: int, *, descending: bool = False) -> Table:
        """The same rows by one column: numbers, then text; the empty cells last either way."""
        full = [row for row in self.rows if row[place] is not None]
        empty = [row for row in self.rows if row[place] is None]
        full.sort(key=lambda row: _order(row[place]), reverse=descending)
        return replace(self, rows=[*full, *empty])

    def csv(self) -> Iterator[str]:
        """The table as CSV (RFC 4180), in pieces: a line of names, then the rows; an empty cell is an empty field.

        Text that a spreadsheet would take for a formula gets an apostrophe in front.
        """
        yield _csv_lines([self.columns])
        for start in range(0, len(self.rows), _CSV_ROWS):
            yield _csv_lines(self.rows[start : start + _CSV_ROWS])


def _csv_lines(rows: Sequence[Sequence[Cell]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([[_no_formula(cell) for cell in row] for row in rows])
    return text.getvalue()


def _no_formula(cell: Cell) -> Cell:
    """People open the file in a program that runs what begins with one of these; a text that is a number may stay."""
    if not isinstance(cell, str) or len(cell) < 2 or not cell.startswith(_BEGIN_FORMULA):
        return cell
    return cell if _NUMBER.fullmatch(cell) else f"'{cell}"


def _is_flat(record: object) -> bool:
    return isinstance(record, dict) and not any(isinstance(value, dict | list) for value in record.values())


def _fits(row: object, length: int) -> bool:
    return isinstance(row, list) and len(row) == length and not any(isinstance(cell, dict | list) for cell in row)


def _is_number_or_none(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool))


def _order(cell: Cell) -> tuple[int, float, str]:
    return (0, cell, "") if isinstance(cell, int | float) else (1, 0, str(cell))
