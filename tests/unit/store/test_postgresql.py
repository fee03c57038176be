"""The PostgreSQL database: how it is opened, what is said when that fails, and that its schema is the code's."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from livegraft.errors import ConfigurationError, StoreError
from livegraft.run import RunRecord, RunState, Trigger, new_run_id
from livegraft.store import Restraint, RestraintKind, postgresql
from livegraft.store.opening import open_store
from livegraft.store.postgresql import PostgresqlDatabase
from livegraft.store.schema import metadata
from tests.support.places import Place, a_postgresql_place
from tests.support.postgresql import GivenServer, OwnServer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "correct-horse"


@pytest.fixture
def place(postgresql: GivenServer, tmp_path: Path) -> Iterator[Place]:
    with a_postgresql_place(postgresql, tmp_path) as place:
        yield place


@pytest.fixture(scope="module")
def guarded(postgresql: GivenServer) -> Iterator[GivenServer]:
    """A server with users who may not do all."""
    if not isinstance(postgresql, OwnServer):
        pytest.skip("its rules are of whoever keeps the server")
    postgresql.ask(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
    postgresql.ask("CREATE ROLE refused LOGIN")
    yield postgresql
    postgresql.ask("DROP ROLE guarded")
    postgresql.ask("DROP ROLE refused")


def a_run() -> RunRecord:
    return RunRecord(new_run_id(), "s", "k", "r", Trigger.API, "dana", {}, RunState.QUEUED, "1:2:boot", NOW)


def test_the_migrations_make_the_schema_of_the_code(place: Place) -> None:
    with closing(PostgresqlDatabase(place.address)) as database, database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_every_column_of_words_is_compared_by_its_bytes(postgresql: GivenServer, place: Place) -> None:
    """By the rules of a language "a-b" stands behind "ab", and a page that goes on from a name would miss some."""
    database = str(psycopg.conninfo.conninfo_to_dict(place.address)["dbname"])
    question = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' ORDER BY 1, 2"
    )

    assert postgresql.ask(question, database=database) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": "guarded", "password": "wrong-horse"}, "correct the user and the password"),
        ({"user": "guarded"}, "give the password"),
        ({"user": "guarded", "password": SECRET}, "GRANT CREATE"),
        ({"user": "refused"}, "pg_hba.conf"),
        ({"user": "stranger"}, "create it, or correct"),
        ({"dbname": "nowhere"}, "create it, or correct"),
        ({"host": "/nowhere", "password": SECRET}, "start the server"),
        ({"host": "127.0.0.1", "port": "1", "password": SECRET}, "start the server"),
        ({"host": "no.such.host.invalid", "password": SECRET}, "correct the host"),
        ({"options": "-csearch_path=gone"}, "create the schema"),
    ],
)
def test_what_keeps_it_from_being_opened_is_told_with_what_to_do(
    guarded: GivenServer, changes: dict[str, str], said: str, tmp_path: Path
) -> None:
    name = guarded.make_database()
    try:
        with pytest.raises(StoreError) as failure:
            open_store(guarded.address(**{"database": name, **changes}), tmp_path)
    finally:
        guarded.drop_database(name)

    assert said in str(failure.value)
    assert "the history postgresql://" in str(failure.value)
    shown: BaseException | None = failure.value
    while shown is not None:
        assert "horse" not in str(shown)
        shown = shown.__cause__


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://dana:pa@horse/battery@db/history",
        "postgresql://dana:pa/horse@db/history",
        "postgresql://dana:horse%zz@db/history",
        "postgresql://dana:horse@db:number/history",
        "postgresql://dana:horse@db/history?nonsense=1",
        "mysql://dana:horse@db/history",
        "horse",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://USER:PASSWORD@HOST:PORT/DATABASE") as failure:
        open_store(address, tmp_path)

    assert "horse" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'livegraft\[postgres\]'"):
        open_store("postgresql://db/history", tmp_path)


def test_a_server_that_is_too_old_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "OLDEST_SERVER", 99)

    with pytest.raises(StoreError, match=r"PostgreSQL 99 or newer, got: 1\d\.\d+; update it"):
        place.open()


def test_a_history_of_a_newer_livegraft_is_refused(postgresql: GivenServer, place: Place) -> None:
    database = str(psycopg.conninfo.conninfo_to_dict(place.address)["dbname"])
    postgresql.ask("UPDATE alembic_version SET version_num = '9999'", database=database)

    with pytest.raises(StoreError, match="a newer one"):
        place.open()


def test_a_server_that_has_no_connection_left_is_told_and_is_used_again(guarded: GivenServer, place: Place) -> None:
    def connect_until_refused() -> None:
        while True:
            others.enter_context(psycopg.connect(place.address))

    with ExitStack() as others:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            connect_until_refused()
        with pytest.raises(StoreError, match="raise max_connections of the server"):
            place.open()
    place.open().close()


def test_connections_that_the_server_cut_are_replaced_before_anyone_hears_of_it(
    postgresql: GivenServer, place: Place
) -> None:
    database = str(psycopg.conninfo.conninfo_to_dict(place.address)["dbname"])
    with closing(place.open()) as store:
        store.runs.add(a_run())
        postgresql.cut(database)

        store.runs.add(a_run())

        postgresql.cut(database)
        assert len(store.runs.find()) == 2
        postgresql.cut(database)
        assert store.shared.get("a", "k", NOW) is None


def test_a_connection_that_is_cut_within_a_change_leaves_nothing_of_it(postgresql: GivenServer, place: Place) -> None:
    database = str(psycopg.conninfo.conninfo_to_dict(place.address)["dbname"])
    with closing(place.open()) as store:

        def change() -> None:
            with store.database.writing() as connection:
                connection.exec_driver_sql("DELETE FROM runs")
                postgresql.cut(database)
                connection.exec_driver_sql("DELETE FROM audit")

        store.runs.add(a_run())
        with pytest.raises(StoreError, match="in a moment"):
            change()

        assert len(store.runs.find()) == 1


def test_a_character_that_it_does_not_take_is_replaced(place: Place) -> None:
    with closing(place.open()) as store:
        store.restraints.put(Restraint(RestraintKind.HOLD, "", "dana", NOW, "bad \0 byte"))
        run = replace(a_run(), arguments={"text": "\0"})
        store.runs.add(run)

        assert [each.reason for each in store.restraints.all()] == ["bad \ufffd byte"]
        assert store.runs.get(run.id) == run


def test_neither_the_log_nor_an_error_has_the_password_or_what_runs_were_given(
    guarded: GivenServer, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    database = str(psycopg.conninfo.conninfo_to_dict(place.address)["dbname"])
    for table in ("SCHEMA public", "ALL TABLES IN SCHEMA public", "ALL SEQUENCES IN SCHEMA public"):
        guarded.ask(f"GRANT ALL ON {table} TO guarded", database=database)
    address = guarded.address(database, user="guarded", password=SECRET)
    with caplog.at_level(logging.DEBUG), closing(open_store(address, Path())) as store:
        store.runs.add(replace(a_run(), arguments={"pin": "4711"}))
        guarded.ask("DROP TABLE runs CASCADE", database=database)
        with pytest.raises(StoreError) as failure:
            store.runs.add(replace(a_run(), arguments={"pin": "4711"}))

    shown = f"{failure.value} {failure.value.__cause__} {caplog.text}"
    assert "runs" in shown
    assert SECRET not in shown
    assert "4711" not in shown
    assert not failure.value.passes
