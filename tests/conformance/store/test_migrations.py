"""Histories of earlier schemas, with rows in them, are brought to the newest: whole, whatever comes between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Integer, LargeBinary, MetaData, Table, insert, select

from livegraft.run import RunResult, RunState
from livegraft.store import Outcome, ReleaseState, RestraintKind, SlotState, migrations
from livegraft.store.database import Database
from livegraft.store.postgresql import PostgresqlDatabase
from livegraft.store.schema import NEWEST
from livegraft.store.sqlite import SqliteDatabase
from tests.support.places import Place, SqlitePlace, a_postgresql_place

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)

_FOLDER: Final = Path(migrations.__file__).parent
_SCRIPTS: Final = ScriptDirectory(str(_FOLDER)).walk_revisions()
REVISIONS: Final = sorted(script.revision for script in _SCRIPTS)

WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("runs", "state"): RunState.SUCCEEDED.value,
    ("runs", "trigger"): "api",
    ("runs", "result"): '{"kind":"json","value":3,"note":""}',
    ("runs", "failure"): '{"type":"E","message":"m","path":"a.py","line":1}',
    ("releases", "state"): ReleaseState.LIVE.value,
    ("release_scripts", "outcome"): Outcome.LOADED.value,
    ("release_scripts", "failure"): '{"type":"E","message":"m","path":"a.py","line":1}',
    ("slots", "state"): SlotState.RAN.value,
    ("slots", "cause"): "",
    ("restraints", "kind"): RestraintKind.HOLD.value,
    ("runs", "arguments"): '{"days":3}',
    ("audit", "detail"): "{}",
}
"""What a column has that takes not any text."""

MOMENTS: Final = (int(os.environ.get("LIVEGRAFT_KILL_AT", "9")), 0)
"""After which statement that changes the schema the process is killed; 0: when all are done."""

MIGRATES: Final = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from livegraft.store.opening import open_store

at, count = int(sys.argv[3]), 0

@event.listens_for(Engine, "after_cursor_execute")
def look(connection, cursor, statement, *rest):
    global count
    count += statement.lstrip().startswith(("CREATE", "ALTER", "UPDATE alembic"))
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(Engine, "commit")
def commit(connection):
    if count:
        os.kill(os.getpid(), signal.SIGKILL)

open_store(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where nothing is yet."""
    if request.param == "sqlite":
        yield SqlitePlace(tmp_path, empty=True)
        return
    with a_postgresql_place(request.getfixturevalue("postgresql"), tmp_path, empty=True) as place:
        yield place


def the_database(place: Place) -> Database:
    return PostgresqlDatabase(place.address) if place.address else SqliteDatabase(place.folder / "history.db")


Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def a_history_of(revision: str, place: Place) -> Rows:
    """Make a history of an earlier schema with two rows in every table; what is in it."""
    with closing(the_database(place)) as database:
        migrations.migrate(database, revision)
        with database.writing() as connection:
            for table in tables(connection):
                connection.execute(insert(table), [a_row(table, number) for number in (1, 2)])
            return {table.name: rows_of(connection, table) for table in tables(connection)}


def tables(connection: Connection) -> Sequence[Table]:
    """As they are in the database, those that others refer to first."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def rows_of(connection: Connection, table: Table) -> Sequence[Mapping[str, Any]]:
    columns = sorted(table.primary_key, key=lambda column: column.name)
    return [dict(row._mapping) for row in connection.execute(select(table).order_by(*columns))]


def a_row(table: Table, number: int) -> dict[str, Any]:
    def value(name: str, kind: object) -> Any:
        if isinstance(kind, Integer):
            return number
        if isinstance(kind, LargeBinary):
            return b"\x00 bytes"
        return WORDS.get((table.name, name), str(number))

    counted = table.autoincrement_column  # the database gives it its value
    row = {column.name: value(column.name, column.type) for column in table.columns if column is not counted}
    if table.name == "restraints":
        row["subject"] = f"script {number}"
    return row


def check_that_it_opens_with(rows: Rows, place: Place) -> None:
    """What was there is there, and the ledgers read it."""
    with closing(place.open()) as store:
        with store.database.reading() as connection:
            for table in tables(connection):
                before = rows.get(table.name, ())
                found = rows_of(connection, table)[: len(before)]
                kept = [{name: row[name] for name in was} for row, was in zip(found, before, strict=True)]
                assert kept == list(before), table.name
        assert [run.result for run in store.runs.find()] == [RunResult("json", 3)] * 2
        assert store.runs.output("1", 1) == b"\x00 bytes"
        assert [slot.run_id for slot in store.slots.find()] == ["2", "1"]
        assert [script.script for release in store.releases.find() for script in release.scripts] == ["2", "1"]
        assert [version.key for version in store.releases.versions("1")] == ["1"]
        assert [restraint.kind for restraint in store.restraints.all()] == [RestraintKind.HOLD] * 2
        assert [row.subject for row in store.audit.find()] == ["2", "1"]
        store.audit.add(NOW, "dana", "pin", "new", {})
        assert [row.subject for row in store.audit.find(limit=1)] == ["new"]


def test_the_newest_revision_is_that_of_the_code() -> None:
    assert REVISIONS[-1] == NEWEST
    assert ScriptDirectory(str(_FOLDER)).get_heads() == [NEWEST]


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_history_of_each_schema_is_brought_to_the_newest_with_all_that_is_in_it(revision: str, place: Place) -> None:
    rows = a_history_of(revision, place)

    check_that_it_opens_with(rows, place)


@pytest.mark.parametrize("moment", MOMENTS, ids=["in the middle", "before its commit"])
def test_a_migration_that_is_killed_is_made_by_the_next_start(moment: int, place: Place) -> None:
    rows = a_history_of(REVISIONS[0], place)
    command = [sys.executable, "-c", MIGRATES, place.address, str(place.folder), str(moment)]

    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL

    with closing(the_database(place)) as database, database.reading() as connection:
        assert {table.name: rows_of(connection, table) for table in tables(connection)} == rows
    check_that_it_opens_with(rows, place)


def test_of_several_processes_that_open_an_empty_history_one_makes_it_and_the_others_wait(place: Place) -> None:
    opened = [place.in_another_process("print(len(store.runs.find()))") for _ in range(2)]

    assert [each.communicate(timeout=90)[0] for each in opened] == ["0\n"] * 2
    assert [each.returncode for each in opened] == [0, 0]
