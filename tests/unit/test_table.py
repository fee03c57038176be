"""Tables: of records, sorted, as CSV, and read again."""

from __future__ import annotations

import csv
import io

import pytest

from livegraft.table import Table


def test_records_become_rows_under_all_of_their_names() -> None:
    made = Table.of_records([{"a": 1}, {"b": "x", "a": None}])

    assert made == Table(["a", "b"], [[1, None], [None, "x"]], 2)


@pytest.mark.parametrize("value", [[], [1], [{"a": []}], {"a": 1}, "text", None, [{"a": 1}, 2]])
def test_other_values_are_no_table(value: object) -> None:
    assert Table.of_records(value) is None


def test_sorting_puts_numbers_before_text_and_empty_cells_last() -> None:
    made = Table(["n"], [["b"], [None], [10], [9.5], ["a"], [True]], 6)

    assert [row[0] for row in made.sorted_by(0).rows] == [True, 9.5, 10, "a", "b", None]
    assert [row[0] for row in made.sorted_by(0, descending=True).rows] == ["b", "a", 10, 9.5, True, None]


def test_csv_reads_back_whatever_the_cells_hold() -> None:
    rows = [['he said "no"', "a,b\nc", "é"]] * 1_200

    read = list(csv.reader(io.StringIO("".join(Table(["x", "y", "z"], rows, 1_200).csv()), newline="")))

    assert read == [["x", "y", "z"], *rows]


def test_what_was_dumped_is_parsed() -> None:
    made = Table(["a"], [[1], [None]], 70)

    assert Table.parse(made.dump()) == made


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"columns": [1], "rows": [], "row_count": 0}',
        b'{"columns": ["a"], "rows": [[]], "row_count": 1}',
        b'{"columns": ["a"], "rows": [[{"b": 1}]], "row_count": 1}',
        b'{"columns": ["a"], "rows": "x", "row_count": 1}',
        b'{"columns": ["a"], "rows": [], "row_count": "1"}',
    ],
)
def test_what_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected a table|decode|Expecting|invalid"):
        Table.parse(body)


@pytest.mark.parametrize("formula", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\uff1d1+1"])
def test_csv_has_no_formula_that_a_spreadsheet_would_run(formula: str) -> None:
    table = Table([formula], [[formula], ["-1.5"], [-2], ["-"], ["a=b"]], 5)

    read = list(csv.reader(io.StringIO("".join(table.csv()), newline="")))

    assert read == [[f"'{formula}"], [f"'{formula}"], ["-1.5"], ["-2"], ["-"], ["a=b"]]
