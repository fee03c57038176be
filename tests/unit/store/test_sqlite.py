"""The SQLite file: how it is opened, what it refuses, and that its questions have indexes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, event, insert

from livegraft import process
from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState, Trigger
from livegraft.store import SharedValue, SlotState, Store, migrations, schema, sqlite
from livegraft.store.runs import run_row
from livegraft.store.schema import metadata
from livegraft.store.search import LOOK_COUNT
from livegraft.store.sql import SqlStore
from livegraft.store.sqlite import SqliteDatabase, _engine, open_store
from livegraft.store.sqlite_file import OpenedFile, copy, find_damage
from tests.support import eventually
from tests.support.history import a_history
from tests.support.plans import plans_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqlStore]:
    store = a_history(file)
    yield store
    store.close()


def test_the_migrations_make_the_schema_of_the_code(file: Path, store: Store) -> None:
    database = SqliteDatabase(file)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_history_that_is_of_the_newest_schema_is_opened_without_a_look_at_the_migrations(file: Path) -> None:
    open_store(file).close()
    program = "import sys; from pathlib import Path; from livegraft.store.sqlite import open_store; "
    program += "open_store(Path(sys.argv[1])).close(); sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program, str(file)]).returncode == 0


def test_several_processes_that_open_a_new_file_at_once_all_succeed(file: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from livegraft.store.sqlite import SqliteDatabase, _engine, open_store; "
    )
    program += "open_store(Path(sys.argv[1])).close()"
    opened = [subprocess.Popen([sys.executable, "-c", program, str(file)]) for _ in range(4)]

    assert [each.wait(60) for each in opened] == [0, 0, 0, 0]


def test_those_that_turn_a_new_file_to_its_journal_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """SQLite itself tells some of them at once that the file is locked: about one of forty."""

    def opens(at_once: threading.Barrier, file: Path) -> None:
        engine = _engine(OpenedFile(file))
        at_once.wait(60)
        engine.connect().close()
        engine.dispose()

    with ThreadPoolExecutor(6) as threads:
        for number in range(30):
            at_once = threading.Barrier(6)
            (tmp_path / f"{number}.db").touch()
            opened = [threads.submit(opens, at_once, tmp_path / f"{number}.db") for _ in range(6)]
            assert [each.exception(60) for each in opened] == [None] * 6


def test_a_long_write_of_another_process_is_no_fault(file: Path) -> None:
    store = open_store(file)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(1.5, other.execute, ["COMMIT"])  # that it takes this long is what this is about
        ends.start()
        store.check()
        ends.join()
    store.close()


def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(file: Path) -> None:
    file.write_bytes(b"this is something else, and it is long enough to be looked at" * 20)

    with pytest.raises(StoreError, match="not a database"):
        open_store(file)
    assert file.read_bytes().startswith(b"this is something else")


def test_a_history_of_a_newer_livegraft_is_refused(file: Path) -> None:
    open_store(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    with pytest.raises(StoreError, match="a newer one"):
        open_store(file)


def test_a_history_of_the_first_schema_is_migrated_with_all_that_is_in_it(file: Path) -> None:
    database = SqliteDatabase(file)
    migrations.migrate(database, "0001")
    database.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "INSERT INTO runs VALUES ('r1', 'daily', 'k', 'c', 'api', 'dana', '{}', 'succeeded', '1:2:3',"
            " 1, 2, 3, NULL, NULL, 0)"
        )
        connection.execute("INSERT INTO audit VALUES (1, 1, 'dana', 'pin', 'daily', '{}')")
        connection.commit()

    store = open_store(file)

    run = store.runs.get("r1")
    assert run is not None
    assert run.state is RunState.SUCCEEDED
    assert [each.action for each in store.audit.find()] == ["pin"]
    with store.shared.changing("counters", NOW) as rows:
        rows.put(SharedValue("seen", "1", NOW))
    assert store.shared.keys("counters", NOW) == ["seen"]
    store.close()


def test_a_closed_history_says_so(store: SqlStore) -> None:
    store.close()

    with pytest.raises(StoreError, match="it is closed"):
        store.runs.get("x")


def change_shared(store: Store) -> None:
    for _ in range(2):
        with store.shared.changing("a", NOW) as rows:
            rows.put(SharedValue("k", "1", NOW, NOW))


QUESTIONS: dict[str, Callable[[Store], Any]] = {
    "a run": lambda store: store.runs.get("x"),
    "runs": lambda store: store.runs.find(),
    "runs of a script": lambda store: store.runs.find(script="a"),
    "runs in a state": lambda store: store.runs.find(states=[RunState.FAILED]),
    "runs of a script in a state": lambda store: store.runs.find(script="a", states=[RunState.LOST]),
    "runs before": lambda store: store.runs.find(before="x"),
    "last runs": lambda store: store.runs.last_by_script(["a"], 20),
    "open runs": lambda store: store.runs.open(),
    "output": lambda store: store.runs.output("x", 10),
    "releases": lambda store: store.releases.find(),
    "a release": lambda store: store.releases.get("r"),
    "the live release": lambda store: store.releases.live(),
    "versions": lambda store: store.releases.versions("a"),
    "a version": lambda store: store.releases.version("a", "k"),
    "slots": lambda store: store.slots.find(),
    "slots of a script": lambda store: store.slots.find(script="a"),
    "slots in a state from an instant on": lambda store: store.slots.find(states=[SlotState.RAN], since=NOW),
    "counts of slots": lambda store: store.slots.tally(NOW, timedelta(hours=1), 24),
    "counts of slots of a script": lambda store: store.slots.tally(NOW, timedelta(hours=1), 24, "a"),
    "where schedules stand": lambda store: [store.slots.anchors([("a", "s")], NOW - timedelta(n)) for n in range(2)],
    "audit": lambda store: store.audit.find(),
    "a shared value": lambda store: store.shared.get("a", "k", NOW),
    "shared values": lambda store: store.shared.find("a", NOW, after="k"),
    "keys of shared data": lambda store: store.shared.keys("a", NOW),
    "names of shared data": lambda store: store.shared.names(NOW),
    "changing shared data": lambda store: change_shared(store),
    "pruning shared data": lambda store: store.shared.prune(NOW),
    "ending": lambda store: store.runs.end("x", RunState.FAILED, NOW),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_every_question_is_answered_by_an_index(store: SqlStore, question: Callable[[Store], Any]) -> None:
    asked: list[tuple[str, Any]] = []
    database = store.database
    assert isinstance(database, SqliteDatabase)

    @event.listens_for(database._engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    question(store)

    with closing(sqlite3.connect(database.file)) as connection:
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "WITH", "UPDATE")):
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                scanned = {step.split()[1] for step in plan if step.startswith("SCAN") and "USING" not in step}
                assert scanned & {"runs", "output", "slots", "versions", "shared"} == set(), statement


def test_a_process_is_known_by_more_than_its_number() -> None:
    me = process.identity()
    pid, _, rest = me.partition(":")

    assert process.is_alive(me)
    assert int(pid) == os.getpid()
    assert not process.is_alive(f"{pid}:1:{rest.partition(':')[2]}")
    assert not process.is_alive("")
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        child.wait()
    assert not process.is_alive(f"{child.pid}:{rest}")


def test_of_a_long_history_few_rows_are_read_for_what_is_rare(file: Path) -> None:
    """Of one script's many runs the few that were lost, by the state: it is the rarer of the two."""
    with closing(a_history(file)) as store:
        run = RunRecord("", "daily", "k", "r", Trigger.CRON, "cron", {}, RunState.SUCCEEDED, "1", NOW)
        with store.database.writing() as connection:
            rows = [run_row(replace(run, id=f"{n:08}")) for n in range(LOOK_COUNT + 1)]
            connection.execute(insert(schema.runs), rows)
        with plans_of(store) as plans:
            assert store.runs.find(script="daily", states=[RunState.LOST]) == []

    *_, question = plans.asked.items()
    with closing(sqlite3.connect(file)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {question[0]}", question[1]).fetchall()
    assert "runs_by_state (state=?" in str(plan)


def test_pages_that_deleting_left_are_given_back_a_few_at_a_time_and_some_are_kept(file: Path) -> None:
    run = RunRecord("1", "daily", "k", "r", Trigger.CRON, "cron", {}, RunState.SUCCEEDED, "1", NOW)
    with closing(a_history(file)) as store:
        store.runs.add(run)
        store.runs.append_output([("1", n, bytes(1 << 20)) for n in range(19)])
        with store.database.writing() as connection:
            connection.execute(delete(schema.runs))
        before = file.stat().st_size

        steps = list(iter(lambda: store.retention.give_back(64), 0))

    assert len(steps) > 5
    assert max(steps) == 64
    given_back = 4096 * sum(steps)
    assert before - file.stat().st_size == pytest.approx(given_back, abs=1 << 20)
    assert 17 << 20 > file.stat().st_size > 16 << 20, "what is written next needs no new pages"


def test_a_look_for_cancels_goes_through_no_runs(store: SqlStore) -> None:
    run = RunRecord("r", "daily", "k", "r", Trigger.API, "dana", {}, RunState.RUNNING, "1:2:3", NOW)
    store.runs.add(run)
    store.runs.ask_cancel(run.id)

    with plans_of(store) as plans:
        assert store.runs.asked_to_cancel("1:2:3") == [run.id]

    assert plans.slow() == {}


def test_another_file_is_taken_when_no_connection_is_half_open(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection to the file before would open the journal that it finds: that of the one which is there now."""
    store = a_history(file)
    copy(file, tmp_path / "backup.db")
    half_open, go_on, journal = threading.Event(), threading.Event(), sqlite._write_ahead

    def write_ahead(connection: Any) -> None:
        half_open.set()
        assert go_on.wait(60)
        journal(connection)

    def take() -> None:
        with suppress(StoreError):
            store.check()

    monkeypatch.setattr(sqlite, "_write_ahead", write_ahead)
    with ThreadPoolExecutor(2) as threads:
        read = threads.submit(store.runs.find)
        assert half_open.wait(60)
        file.unlink()
        (tmp_path / "backup.db").rename(file)
        taken = threads.submit(take)
        try:
            with pytest.raises(TimeoutError):
                taken.result(0.3)
        finally:
            go_on.set()
        taken.result(60)
        with suppress(StoreError):
            read.result(60)

    store.check()
    assert store.runs.find() == []
    store.close()
    assert find_damage(file) == []


def test_a_backup_that_takes_the_place_of_a_busy_history_stays_whole(file: Path, tmp_path: Path) -> None:
    store, over = a_history(file), threading.Event()

    def keep_on(work: Callable[[], object]) -> None:
        while not over.is_set():
            try:
                work()
            except StoreError:
                over.wait(0.001)  # as all who use a history: without a pause they would keep it from being looked at

    def read() -> None:
        keep_on(lambda: store.runs.find(limit=50))

    def write() -> None:
        keep_on(lambda: store.audit.add(NOW, "dana", "pin", "one", {"reason": "x" * 500}))

    def is_well() -> bool:
        with suppress(StoreError):
            store.check()
            return True
        return False

    users = [threading.Thread(target=each) for each in (read, read, read, read, write)]
    for each in users:
        each.start()
    try:
        for _ in range(3):
            copy(file, tmp_path / "backup.db")
            file.unlink()
            eventually(lambda: not is_well())
            (tmp_path / "backup.db").rename(file)
            eventually(is_well, what="the backup is used")
    finally:
        over.set()
        for each in users:
            each.join()
        store.close()
    assert find_damage(file) == []
