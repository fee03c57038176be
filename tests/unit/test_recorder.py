"""Writing what became of runs, also when the store has a bad moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from livegraft import recorder
from livegraft.errors import StoreError
from livegraft.recorder import Recorder
from livegraft.run import RunRecord, RunResult, RunState, Trigger, new_run_id
from livegraft.runner.marks import Marks
from livegraft.runner.output import Limits, RunOutput, left_behind
from livegraft.store import Runs
from livegraft.store.runs import SqlRuns
from livegraft.store.sql import SqlStore
from tests.support import eventually
from tests.support.history import a_history

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = a_history(tmp_path / "history.db")
    yield store
    store.close()


class Unreliable(SqlRuns):
    """Fails the first times that it is asked to update."""

    def __init__(self, runs: SqlRuns, *errors: Exception) -> None:
        super().__init__(runs._database)
        self._errors = list(errors)

    def update(self, runs: Iterable[RunRecord]) -> None:
        if self._errors:
            raise self._errors.pop(0)
        super().update(runs)


def a_run(store: SqlStore) -> RunRecord:
    run = RunRecord(new_run_id(), "s", "k", "r", Trigger.API, "dana", {}, RunState.QUEUED, "1:2:3", NOW)
    store.runs.add(run)
    return run


def record(runs: Runs, run: RunRecord, *, text: str = "") -> RunRecord:
    """Tell a recorder that a run started, printed and ended; how it ended."""
    writer, output, told = Recorder(runs), RunOutput(), threading.Event()
    writer.start()
    writer.started(replace(run, state=RunState.RUNNING, started_at=NOW), output)
    output.write(text)
    output.close()
    ended = replace(
        run,
        state=RunState.SUCCEEDED,
        started_at=NOW,
        ended_at=NOW,
        result=RunResult("json", 3),
        output_bytes=output.end,
    )
    writer.ended(ended, output, told.set)
    writer.stop()
    assert told.is_set()
    return ended


def test_writes_start_output_and_end(store: SqlStore) -> None:
    run = a_run(store)

    ended = record(store.runs, run, text="hello")

    assert store.runs.get(run.id) == ended
    assert store.runs.output(run.id) == b"hello"


def test_leaves_a_run_alone_that_has_a_final_state(store: SqlStore) -> None:
    run = a_run(store)
    store.runs.end(run.id, RunState.LOST, NOW)

    record(store.runs, run)

    found = store.runs.get(run.id)
    assert found is not None
    assert found.state is RunState.LOST


def test_tries_again_when_the_store_fails(store: SqlStore) -> None:
    run = a_run(store)

    ended = record(Unreliable(store.runs, StoreError("database is locked")), run)

    assert store.runs.get(run.id) == ended


def test_tries_as_long_as_the_store_is_away(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "_PAUSES", (0.0, 0.001))
    runs = Unreliable(store.runs, *[StoreError("the server is away")] * 20)
    run, told = a_run(store), threading.Event()
    ended = replace(run, state=RunState.SUCCEEDED, ended_at=NOW)
    writer = Recorder(runs)
    writer.start()
    writer.ended(ended, RunOutput(), told.set)

    assert told.wait(20)
    writer.stop()
    assert store.runs.get(run.id) == ended
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_gives_up_what_the_store_refuses(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "_PAUSES", (0.0, 0.001))
    run, told = a_run(store), threading.Event()
    writer = Recorder(Unreliable(store.runs, *[StoreError("no such column", passes=False)] * 900))
    writer.start()
    writer.ended(replace(run, state=RunState.SUCCEEDED, ended_at=NOW), RunOutput(), told.set)

    assert told.wait(20)
    writer.stop()
    assert "the state of 1 runs was not written: no such column" in caplog.text
    assert [each.id for each in store.runs.open()] == [run.id]


def test_gives_up_what_a_store_that_is_away_does_not_take_at_the_stop(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "_PAUSES", (0.0, 0.001))
    run = a_run(store)

    record(Unreliable(store.runs, *[StoreError("the server is away")] * 900), run)

    assert [each.levelname for each in caplog.records] == ["ERROR"]
    assert [each.id for each in store.runs.open()] == [run.id]


def test_goes_on_after_what_cannot_be_written(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    runs = Unreliable(store.runs, ValueError("surprise"))
    first, second = a_run(store), a_run(store)

    with caplog.at_level(logging.ERROR):
        record(runs, first)
    record(runs, second)

    assert "the state of 1 runs was not written" in caplog.text
    found = store.runs.get(second.id)
    assert found is not None
    assert found.state is RunState.SUCCEEDED


def test_writes_output_of_a_run_that_goes_on(store: SqlStore) -> None:
    run, recorder, output = a_run(store), Recorder(store.runs), RunOutput()
    recorder.start()
    recorder.started(replace(run, state=RunState.RUNNING, started_at=NOW), output)

    output.write("one ")
    eventually(lambda: store.runs.output(run.id) == b"one ")
    output.write("two")
    eventually(lambda: store.runs.output(run.id) == b"one two")

    recorder.stop()


def test_writes_output_of_a_run_that_goes_on_though_it_is_stuck(store: SqlStore) -> None:
    run, recorder, output, told = a_run(store), Recorder(store.runs), RunOutput(), threading.Event()
    recorder.start()
    recorder.started(replace(run, state=RunState.RUNNING, started_at=NOW), output)
    output.write("one ")
    recorder.ended(replace(run, state=RunState.STUCK, started_at=NOW), output, told.set)
    assert told.wait(20)

    output.write("two")
    eventually(lambda: store.runs.output(run.id) == b"one two")

    recorder.stop()


def test_keeps_what_is_printed_while_the_store_is_away_where_a_killed_process_leaves_it(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_PAUSES", (60.0,))
    limits, file = Limits(head_bytes=4), tmp_path / "output"
    run, output = a_run(store), RunOutput(limits, file)
    writer = Recorder(Unreliable(store.runs, *[StoreError("the server is away")] * 900))
    writer.start()
    writer.started(replace(run, state=RunState.RUNNING, started_at=NOW), output)
    output.write("head")
    eventually(lambda: writer._outputs, what="it tries to write the start")

    output.write(" and tail")
    eventually(lambda: left_behind(file, 0, limits) == (13, [(0, b"head"), (4, b" and tail")]))

    writer.stop()


def test_keeps_the_times_of_output_that_was_written_before_the_end(store: SqlStore) -> None:
    recorder, output, run = Recorder(store.runs), RunOutput(), a_run(store)
    recorder.start()
    recorder.started(replace(run, state=RunState.RUNNING, started_at=NOW), output)
    output.write("to stderr", "err")
    eventually(lambda: store.runs.output(run.id) == b"to stderr")

    recorder.ended(replace(run, state=RunState.SUCCEEDED, started_at=NOW, ended_at=NOW), output, lambda: None)
    recorder.stop()

    assert [(offset, level) for offset, _, level in Marks(store.runs.marks(run.id)).between(0, 9)] == [(0, "err")]


def test_is_stopped_twice_without_harm(store: SqlStore) -> None:
    recorder = Recorder(store.runs)
    recorder.start()
    recorder.stop()
    recorder.stop()
