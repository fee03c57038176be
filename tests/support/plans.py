"""How SQLite would answer what is asked of a history: whether it looks up, or reads a table from end to end."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event

from livegraft.store import Store
from livegraft.store.sql import SqlStore
from livegraft.store.sqlite import SqliteDatabase

LARGE: Final = frozenset(
    {"runs", "output", "results", "output_marks", "slots", "releases", "release_steps", "release_scripts", "versions"}
    | {"audit", "shared"}
)
"""Tables that grow with what happens. The others have a row for each script, or less."""


@dataclass
class Plans:
    """The statements that were executed, each once, and how they were to be."""

    file: Path
    asked: dict[str, Any] = field(default_factory=dict)

    def slow(self) -> dict[str, list[str]]:
        """Statements that grow with the history, with the steps that do."""
        with closing(sqlite3.connect(self.file)) as connection:
            found = {
                statement: slow_steps(
                    statement, [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
                )
                for statement, values in self.asked.items()
            }
        return {statement: steps for statement, steps in found.items() if steps}


def slow_steps(statement: str, plan: list[str]) -> list[str]:
    """A scan that ends after the first rows is none: of the newest, in the order of an index, with no condition."""
    ends_soon = " LIMIT " in statement.replace("\n", " ") and " WHERE " not in statement.replace("\n", " ")
    large = {table for table in LARGE if re.search(rf"\b{table}\b", statement)}
    slow = []
    for step in plan:
        scanned = re.match(r"SCAN (\w+)", step)
        if scanned and scanned[1] in LARGE and not ends_soon:
            slow.append(step)
        # Of few: those that wait for their turn, or that are alike in what the index has in order.
        sorts_few = "PART OF" in step or "LAST TERM" in step or "state = 'queued'" in statement
        # The processes of open runs, found by their states.
        sorts_few |= statement.startswith("SELECT DISTINCT runs.process") and any(
            "SEARCH runs" in each for each in plan
        )
        if "TEMP B-TREE" in step and large and not sorts_few:
            slow.append(step)
        # Through all runs in a state for those of one script, or of each hour.
        if "runs_by_state" in step and ("runs.script = ?" in statement or "runs.slot_at >=" in statement):
            slow.append(step)
    return slow


@contextmanager
def plans_of(store: Store) -> Iterator[Plans]:
    """Of all that is asked of a store in SQLite inside of the block."""
    assert isinstance(store, SqlStore)
    database = store.database
    assert isinstance(database, SqliteDatabase)
    plans = Plans(database.file)

    def note(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT")):
            plans.asked.setdefault(statement, values[0] if many else values)

    event.listen(database._engine, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(database._engine, "before_cursor_execute", note)
