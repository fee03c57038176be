"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

_UNWRAPPED = 10_000
"""Columns of a table that nobody's terminal shows."""


def print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """``right`` are the places of the columns that are aligned to the right."""
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    table = Drawn(box=None, pad_edge=False, header_style="bold")
    for place, title in enumerate(titles):
        table.add_column(Text(title), justify="right" if place in right else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A line is a row for the programs that read it; only a terminal has a width to keep to.
    Console(width=None if sys.stdout.isatty() else _UNWRAPPED).print(table)
