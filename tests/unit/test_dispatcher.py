"""Runs from their acceptance to their end, on threads and on an event loop, over a real history."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from livegraft.bars import Progress
from livegraft.clock import SystemClock
from livegraft.context import cancelled, progress
from livegraft.errors import ArgumentsError, BusyError, ConflictError, NotFoundError, NotRunnableError
from livegraft.header import Retries
from livegraft.run import RunRecord, RunState, Trigger, first_id_of, new_run_id
from livegraft.run_handle import RunFailedError
from livegraft.store import Claimed
from tests.support import eventually
from tests.support.running import Running, running


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as host:
        yield host


class Gate:
    """Where a run waits until the test lets it through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.open.wait(60)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


class TestARun:
    def test_returns_its_result(self, host: Running) -> None:
        def run(amount: int, factor: int = 2) -> dict[str, int]:
            return {"total": amount * factor}

        assert host.run(run, amount="21").result == {"total": 42}

    def test_has_an_id_no_earlier_than_when_it_was_asked_for(
        self, host: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def late(clock: SystemClock) -> datetime:
            before = datetime.now(UTC)
            eventually(lambda: datetime.now(UTC) - before > timedelta(milliseconds=2))
            return datetime.now(UTC)

        monkeypatch.setattr(SystemClock, "now", late)
        record = host.run(lambda: None).record

        assert record.id >= first_id_of(record.queued_at), "else a search for runs before it finds it too"

    def test_may_be_async(self, host: Running) -> None:
        async def run(amount: int) -> int:
            await asyncio.sleep(0)
            return amount

        assert host.run(run, amount=3).result == 3

    def test_is_written_before_anything_of_it_executes(self, host: Running) -> None:
        seen: list[RunRecord | None] = []

        def run() -> None:
            seen.extend(host.store.runs.find())

        host.run(run).wait()

        assert [record.script for record in seen if record] == ["reports/daily"]

    def test_leaves_a_row_with_all_that_is_known(self, host: Running) -> None:
        def run(day: str) -> str:
            print("hello")
            return "done"

        handle = host.run(run, day="monday")
        handle.wait()
        record = host.store.runs.get(handle.id)

        assert record is not None
        assert record == handle.record
        assert (record.script, record.key, record.revision) == ("reports/daily", "9f2c1a", "1a2b3c4d5e6f")
        assert (record.trigger, record.actor, record.arguments) == (Trigger.API, "dana", {"day": "monday"})
        assert record.state is RunState.SUCCEEDED
        assert record.started_at is not None
        assert record.ended_at is not None
        assert record.queued_at <= record.started_at <= record.ended_at
        assert record.result is not None
        assert record.result.value == "done"
        assert record.output_bytes == len("hello\n")

    def test_is_waited_for_without_asking_the_store(self, host: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        monkeypatch.setattr(type(host.store.runs), "get", lambda runs, id: asked.append(id))

        handle = host.run(lambda: "done")

        assert handle.wait().state is RunState.SUCCEEDED
        assert handle.result == "done"
        assert asked == []

    def test_with_wrong_arguments_is_not_written(self, host: Running) -> None:
        def run(amount: int) -> None: ...

        with pytest.raises(ArgumentsError):
            host.run(run, amount="many")

        assert host.store.runs.find() == []

    def test_that_raises_has_failed_at_a_place_in_the_repository(self, host: Running) -> None:
        def run() -> None:
            raise LookupError("no such order")

        handle = host.run(run)

        with pytest.raises(RunFailedError, match="reports/daily failed: LookupError: no such order"):
            assert handle.result
        failure = handle.record.failure
        assert failure is not None
        assert failure.path == "reports/daily.py"
        assert 'File "reports/daily.py", line' in failure.traceback
        assert "raise LookupError" in failure.traceback
        assert "dispatcher.py" not in failure.traceback

    def test_async_that_raises_has_failed_likewise(self, host: Running) -> None:
        async def run() -> None:
            raise LookupError("no such order")

        failure = host.run(run).wait().failure

        assert failure is not None
        assert (failure.type, failure.path) == ("LookupError", "reports/daily.py")
        assert "runner" not in failure.traceback

    def test_gets_the_resources_of_the_host(self, host: Running) -> None:
        def run(db: list[int]) -> int:
            return len(db)

        handle = host.submit(host.work(run, provide={"db": [1, 2, 3]}))

        assert handle.result == 3
        assert handle.record.arguments == {}

    def test_keeps_arguments_that_are_no_json_as_text(self, host: Running) -> None:
        def run(at: datetime, thing: Any) -> None: ...

        record = host.run(run, at=datetime(2024, 2, 29, tzinfo=UTC), thing=range(3)).wait()

        assert record.arguments == {"at": "2024-02-29T00:00:00Z", "thing": "range(0, 3)"}

    def test_may_start_another(self, host: Running) -> None:
        def inner() -> None:
            print("inner")

        def run() -> str:
            print("outer")
            return host.run(inner).id

        outer = host.run(run)

        assert outer.result
        assert outer.output == "outer\n"
        assert host.dispatcher.view.output(outer.result, 0, 100) == b"inner\n"

    def test_tells_each_change_of_its_state(self, host: Running) -> None:
        def run() -> None: ...

        told = host.events.subscribe()
        handle = host.run(run)
        handle.wait()
        events = [told.get(5) for _ in range(4)]

        assert [event.data["state"] for event in events if event] == ["queued", "starting", "running", "succeeded"]
        assert {(event.name, event.subject, event.data["script"]) for event in events if event} == {
            ("run", handle.id, "reports/daily")
        }

    def test_tells_how_far_it_is(self, host: Running, gate: Gate) -> None:
        def run() -> None:
            for _ in progress(range(4), "orders"):
                gate.wait()

        handle = host.run(run)
        gate.reached.wait(60)
        assert host.dispatcher.view.progress(handle.id) == (Progress(0.0, "orders"),)
        gate.open.set()
        handle.wait()

        assert host.dispatcher.view.progress(handle.id) == ()

    def test_is_found_while_it_goes_and_afterwards(self, host: Running, gate: Gate) -> None:
        handle = host.run(gate.wait)
        gate.reached.wait(60)
        assert host.dispatcher.view.find(handle.id).state is RunState.RUNNING
        assert [record.id for record in host.dispatcher.view.active()] == [handle.id]
        assert host.dispatcher.view.uses("9f2c1a") == [handle.id]
        assert host.dispatcher.view.open_run("reports/daily") == handle.id
        gate.open.set()
        handle.wait()

        assert host.dispatcher.view.find(handle.id).state is RunState.SUCCEEDED
        assert host.dispatcher.view.active() == []
        assert host.dispatcher.view.uses("9f2c1a") == []
        assert host.dispatcher.view.open_run("reports/daily") is None
        with pytest.raises(NotFoundError):
            host.dispatcher.view.find("nowhere")


class TestOutput:
    def test_of_runs_beside_each_other_is_kept_apart(self, host: Running) -> None:
        both = threading.Barrier(2, timeout=10)

        def run(name: str) -> None:
            for _ in range(100):
                print(name)
            both.wait()
            logging.getLogger("some.library").warning("from %s", name)

        one, other = host.run(run, name="one"), host.run(run, name="other")
        one.wait()
        other.wait()

        assert one.output.startswith("one\n" * 100)
        assert one.output.endswith("from one\n")
        assert "other" not in one.output
        assert "one" not in other.output

    def test_of_an_async_run_includes_its_tasks_and_threads(self, host: Running) -> None:
        async def say(text: str) -> None:
            print(text)

        async def run() -> None:
            await asyncio.create_task(say("task"))
            await asyncio.to_thread(print, "thread")
            await asyncio.get_running_loop().run_in_executor(None, print, "executor")

        handle = host.run(run)
        handle.wait()

        assert handle.output == "task\nthread\nexecutor\n"

    def test_is_written_while_the_run_goes(self, host: Running, gate: Gate) -> None:
        def run() -> None:
            print("early")
            gate.wait()

        handle = host.run(run)
        gate.reached.wait(60)

        assert eventually(lambda: host.store.runs.output(handle.id)) == b"early\n"

    def test_is_followed_live_and_read_again_afterwards(self, host: Running, gate: Gate) -> None:
        def run() -> None:
            print("early")
            gate.wait()
            print("late")

        handle = host.run(run)
        chunks = host.dispatcher.view.follow(handle.id)
        assert next(chunks).data == b"early\n"
        gate.open.set()
        assert b"".join(chunk.data for chunk in chunks) == b"late\n"
        handle.wait()

        assert [chunk.data for chunk in host.dispatcher.view.follow(handle.id, 2)] == [b"rly\nlate\n"]
        assert host.dispatcher.view.output(handle.id, 6, 3) == b"lat"
        assert handle.output == "early\nlate\n"

    def test_that_is_huge_is_the_same_live_and_stored(self, host: Running, gate: Gate) -> None:
        def run() -> None:
            for number in range(40_000):
                print(f"{number:099d}")
            gate.wait()

        handle = host.run(run)
        gate.reached.wait(60)
        live = handle.output
        gate.open.set()
        handle.wait()

        assert "bytes dropped" in live
        assert handle.output == live
        assert handle.record.output_bytes == 4_000_000


class TestQueue:
    def test_has_a_bound(self, tmp_path: Path, gate: Gate) -> None:
        with running(tmp_path, queue_limit=2, threads=1) as host:
            first, second = host.run(gate.wait), host.run(gate.wait)
            with pytest.raises(BusyError, match="fewer than 2 open runs"):
                host.run(gate.wait)
            gate.open.set()
            first.wait()
            second.wait()

            assert len(host.store.runs.find()) == 2
            assert host.run(gate.wait).wait(60).state is RunState.SUCCEEDED

    def test_starts_runs_in_order_when_a_thread_is_free(self, tmp_path: Path) -> None:
        order: list[int] = []

        def run(number: int) -> None:
            order.append(number)

        with running(tmp_path, threads=1) as host:
            handles = [host.run(run, number=number) for number in range(20)]
            for handle in handles:
                handle.wait()

        assert order == list(range(20))

    def test_uses_no_more_threads_than_allowed(self, tmp_path: Path) -> None:
        names: set[str] = set()

        def run() -> None:
            names.add(threading.current_thread().name)

        with running(tmp_path, threads=3) as host:
            for handle in [host.run(run) for _ in range(100)]:
                handle.wait()

        assert 1 <= len(names) <= 3
        assert all(name.startswith("livegraft-run-") for name in names)


class TestCancelling:
    def test_a_queued_run_ends_it_at_once_and_it_never_executes(self, tmp_path: Path, gate: Gate) -> None:
        executed: list[str] = []

        def run() -> None:
            executed.append("run")

        with running(tmp_path, threads=1) as host:
            first = host.run(gate.wait)
            queued = host.run(run)
            queued.cancel()
            assert queued.wait(60).state is RunState.CANCELLED
            gate.open.set()
            first.wait()
            last = host.run(run)
            last.wait()

        assert executed == ["run"]

    def test_asks_sync_code_first(self, tmp_path: Path, gate: Gate) -> None:
        def run() -> str:
            gate.reached.set()
            eventually(cancelled)
            return "half of it"

        with running(tmp_path, grace_seconds=60.0) as host:
            handle = host.run(run)
            gate.reached.wait(60)
            handle.cancel()
            record = handle.wait(60)

        assert record.state is RunState.CANCELLED
        assert record.result is not None
        assert record.result.value == "half of it"
        assert record.failure is not None
        assert (record.failure.type, record.failure.message) == ("cancelled", "cancelled")

    def test_interrupts_sync_code_that_does_not_listen(self, host: Running, gate: Gate) -> None:
        def run() -> None:
            gate.reached.set()
            while True:
                pass

        handle = host.run(run)
        gate.reached.wait(60)
        handle.cancel()
        record = handle.wait(60)

        assert record.state is RunState.CANCELLED
        assert record.failure is not None
        assert record.failure.path == "reports/daily.py"
        assert "    while True:" in record.failure.traceback or "    pass\n" in record.failure.traceback

    def test_cancels_async_code_where_it_waits(self, host: Running, gate: Gate) -> None:
        cleaned: list[str] = []

        async def run() -> None:
            gate.reached.set()
            try:
                await asyncio.sleep(60)
            finally:
                cleaned.append("up")

        handle = host.run(run)
        gate.reached.wait(60)
        handle.cancel()

        assert handle.wait(60).state is RunState.CANCELLED
        assert cleaned == ["up"]

    def test_interrupts_async_code_that_never_waits(self, host: Running, gate: Gate) -> None:
        async def run() -> None:
            gate.reached.set()
            while True:
                pass

        handle = host.run(run)
        gate.reached.wait(60)
        handle.cancel()

        assert handle.wait(60).state is RunState.CANCELLED

    def test_an_ended_run_is_a_conflict(self, host: Running) -> None:
        def run() -> None: ...

        handle = host.run(run)
        handle.wait()

        with pytest.raises(ConflictError, match=f"expected run {handle.id} to be open, it is succeeded"):
            handle.cancel()

    def test_twice_is_a_conflict(self, host: Running, gate: Gate) -> None:
        handle = host.run(gate.wait)
        gate.reached.wait(60)
        handle.cancel()

        with pytest.raises(ConflictError, match="asked to stop already"):
            handle.cancel()

    def test_a_run_of_another_process_is_asked_of_that(self, host: Running) -> None:
        host.store.runs.add(a_row_of_another_process())
        (row,) = host.store.runs.find()

        host.dispatcher.cancel(row.id)

        assert host.store.runs.asked_to_cancel("1:2:3") == [row.id]
        assert host.store.runs.asked_to_cancel("1:2:3") == [], "each is told once"
        assert host.dispatcher.view.open_run("reports/daily") == row.id


def a_row_of_another_process() -> RunRecord:
    return RunRecord(
        id=new_run_id(),
        script="reports/daily",
        key="k",
        revision="r",
        trigger=Trigger.CRON,
        actor="cron",
        arguments={},
        state=RunState.RUNNING,
        process="1:2:3",
        queued_at=datetime.now(UTC),
    )


class TestTimeout:
    def test_ends_sync_code(self, host: Running) -> None:
        def run() -> None:
            while True:
                pass

        record = host.run(run, timeout=0.05).wait(60)

        assert record.state is RunState.TIMED_OUT
        assert record.failure is not None
        assert record.failure.type == "timeout"
        assert record.failure.message == "took longer than its timeout of 0.05 s"
        assert 'File "reports/daily.py"' in record.failure.traceback

    def test_ends_async_code(self, host: Running) -> None:
        async def run() -> None:
            await asyncio.sleep(60)

        assert host.run(run, timeout=0.05).wait(60).state is RunState.TIMED_OUT

    def test_does_not_count_waiting_in_the_queue(self, tmp_path: Path, gate: Gate) -> None:
        def run() -> None: ...

        with running(tmp_path, threads=1) as host:
            first = host.run(gate.wait)
            queued = host.run(run, timeout=0.05)
            assert not queued.wait(0.2).ended_at
            gate.open.set()
            first.wait()

            assert queued.wait(60).state is RunState.SUCCEEDED

    def test_of_a_quick_run_strikes_nobody(self, host: Running) -> None:
        def run() -> None: ...

        for _ in range(20):
            assert host.run(run, timeout=0.01).wait(60).state in (RunState.SUCCEEDED, RunState.TIMED_OUT)
        assert host.run(run, timeout=60).wait(60).state is RunState.SUCCEEDED


class TestPreparing:
    def test_writes_and_starts_nothing_until_launched(self, host: Running) -> None:
        def run() -> int:
            return 1

        prepared = host.dispatcher.prepare(host.work(run), trigger=Trigger.CRON, actor="cron", arguments={})
        assert host.store.runs.find() == []
        assert host.dispatcher.view.active() == []

        host.store.runs.add(prepared)
        host.dispatcher.launch(prepared)
        host.dispatcher.view.wait(prepared.id, 60)

        assert host.dispatcher.view.find(prepared.id).state is RunState.SUCCEEDED

    def test_something_that_is_dropped_keeps_nothing(self, host: Running) -> None:
        function = a_function()
        watched = weakref.ref(function)

        prepared = host.dispatcher.prepare(host.work(function), trigger=Trigger.CRON, actor="cron", arguments={})
        del function, prepared
        gc.collect()

        assert watched() is None


def a_function() -> Callable[[], Any]:
    names: dict[str, Any] = {}
    exec("def run():\n    class Local: pass\n    return Local()\n", names)
    run: Callable[[], Any] = names.pop("run")
    return run


class TestNothingIsKept:
    """Versions are unloaded by looking who refers to them, so an ended run refers to nothing of its version."""

    @pytest.mark.parametrize("ends", ["return value", "raise Error(value)"])
    @pytest.mark.parametrize("kind", ["def", "async def"])
    def test_of_an_ended_run(self, host: Running, kind: str, ends: str) -> None:
        watched: list[weakref.ref[Any]] = []
        names: dict[str, Any] = {"watch": lambda value: watched.append(weakref.ref(value))}
        exec(
            f"class Value: pass\nclass Error(Exception): pass\n"
            f"{kind} run(given):\n    value = Value()\n    watch(value)\n    watch(given)\n    {ends}\n",
            names,
        )
        function, given = names.pop("run"), type("Given", (), {})()
        watched.append(weakref.ref(function))
        handle = host.run(function, given=given)
        handle.wait(60)
        del names, function, given

        # The thread that ran it may still be on its way back to its queue.
        eventually(lambda: (gc.collect(), [ref() for ref in watched] == [None, None, None])[1])
        assert handle.record.state in (RunState.SUCCEEDED, RunState.FAILED)

    def test_of_a_queued_run_that_was_cancelled(self, tmp_path: Path, gate: Gate) -> None:
        with running(tmp_path, threads=1) as host:
            host.run(gate.wait)
            function = a_function()
            watched = weakref.ref(function)
            handle = host.run(function)
            handle.cancel()
            handle.wait(60)
            del function

            eventually(lambda: (gc.collect(), watched() is None)[1])
            gate.open.set()


class Adding:
    """Holds up who writes a new run, as a busy disk does."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()


@pytest.fixture
def adding(host: Running, monkeypatch: pytest.MonkeyPatch) -> Adding:
    adding, add = Adding(), host.store.runs.add

    def late(run: RunRecord) -> RunRecord:
        adding.reached.set()
        adding.go_on.wait(60)
        return add(run)

    monkeypatch.setattr(host.store.runs, "add", late)
    return adding


class TestStopping:
    def test_refuses_new_runs_and_lets_those_under_way_finish(self, tmp_path: Path, gate: Gate) -> None:
        with running(tmp_path, threads=1) as host:
            going, queued = host.run(gate.wait), host.run(gate.wait)
            gate.reached.wait(60)
            stopper = threading.Thread(target=host.dispatcher.stop, args=(60,))
            stopper.start()
            eventually(lambda: len(host.dispatcher.view.active()) == 1)
            with pytest.raises(NotRunnableError, match="livegraft is stopping"):
                host.run(gate.wait)
            gate.open.set()
            stopper.join(60)

            assert going.record.state is RunState.SUCCEEDED
            assert queued.record.state is RunState.QUEUED, "for another process, or the next start"
            assert queued.record.process == ""

    def test_cancels_what_is_left_at_the_deadline(self, host: Running, gate: Gate) -> None:
        async def run() -> None:
            gate.reached.set()
            await asyncio.sleep(60)

        handle = host.run(run)
        gate.reached.wait(60)
        host.dispatcher.stop(0.01)

        record = host.store.runs.get(handle.id)
        assert record is not None
        assert record.state is RunState.CANCELLED

    def test_waits_for_a_run_that_is_being_written(self, host: Running, adding: Adding) -> None:
        with ThreadPoolExecutor(2) as threads:
            starting = threads.submit(host.run, lambda: None)
            adding.reached.wait(60)
            stopping = threads.submit(host.dispatcher.stop, 60)
            with pytest.raises(TimeoutError):
                stopping.result(0.2)
            adding.go_on.set()
            stopping.result(60)

            record = host.store.runs.get(starting.result(60).id)
        assert record is not None
        assert record.state is RunState.CANCELLED

    def test_cancels_a_retry_that_is_being_written(self, host: Running, adding: Adding) -> None:
        adding.go_on.set()  # but for the retry

        def run() -> None:
            adding.go_on.clear()
            adding.reached.clear()
            raise ValueError("no stock")

        host.submit(host.work(run, retries=Retries(1)))
        eventually(lambda: not adding.go_on.is_set() and adding.reached.is_set(), what="the retry is being written")
        with ThreadPoolExecutor(1) as threads:
            stopping = threads.submit(host.dispatcher.stop, 60)
            eventually(lambda: not host.dispatcher._accepting, what="it stops")
            adding.go_on.set()
            stopping.result(60)

        retry, first = host.store.runs.find()
        assert (first.state, retry.state) == (RunState.FAILED, RunState.CANCELLED)

    def test_leaves_no_trace_in_the_process(self, tmp_path: Path) -> None:
        before = sys.stdout, sys.stderr, threading.Thread.start, logging.root.handlers[:]

        def run() -> None:
            print("x")

        with running(tmp_path) as host:
            host.run(run).wait()

        assert (sys.stdout, sys.stderr, threading.Thread.start, logging.root.handlers) == before
        eventually(lambda: not [t.name for t in threading.enumerate() if t.name.startswith("livegraft-")])

    def test_is_idempotent(self, host: Running) -> None:
        host.dispatcher.stop(1)
        host.dispatcher.stop(1)


@pytest.fixture
def full(tmp_path: Path, gate: Gate) -> Iterator[Running]:
    """A dispatcher whose only place is taken."""
    with running(tmp_path, threads=1) as host:
        host.live["reports/daily"] = host.work(lambda: None)
        host.run(gate.wait)
        gate.reached.wait(60)
        yield host
        gate.open.set()


def waiting(host: Running, *, since: timedelta = timedelta(0)) -> RunRecord:
    """A run in the store that any process may begin, asked for so long ago."""
    host.live.setdefault("reports/daily", host.work(lambda: None))
    now = datetime.now(UTC) - since
    run = RunRecord(
        new_run_id(), "reports/daily", "9f2c1a", "1a2b3c4d", Trigger.API, "dana", {}, RunState.QUEUED, "", now
    )
    return host.store.runs.add(run)


class TestARunThatWaitsForAnyProcess:
    def test_is_cancelled_where_it_is_when_another_process_has_taken_it_meanwhile(self, full: Running) -> None:
        """That it is the other's is learnt when it is to be ended here."""
        other = "other:1:boot:1"
        run = waiting(full)
        full.dispatcher.adopt(run)
        assert full.store.runs.claim({run.id: 0}, other) == {run.id: Claimed.TAKEN}

        full.dispatcher.cancel(run.id)

        assert eventually(lambda: full.store.runs.asked_to_cancel(other)) == [run.id]

    def test_has_waited_since_it_was_asked_for_wherever_it_was(self, full: Running) -> None:
        full.live["reports/daily"] = full.work(lambda: None, queue_timeout=timedelta(minutes=30))
        run = waiting(full, since=timedelta(hours=1))
        full.dispatcher.adopt(run)

        eventually(lambda: full.dispatcher.view.find(run.id).state is RunState.TIMED_OUT)

    def test_is_left_to_others_by_a_process_whose_queue_is_full(self, tmp_path: Path, gate: Gate) -> None:
        with running(tmp_path, queue_limit=1) as host:
            host.run(gate.wait)
            host.dispatcher.adopt(waiting(host))

            assert host.dispatcher.shared() == []
            gate.open.set()


def test_hundreds_of_runs_at_once_all_end(host: Running) -> None:
    def run(number: int) -> int:
        time.sleep(0)
        return number

    async def run_async(number: int) -> int:
        await asyncio.sleep(0)
        return number

    handles = [host.run(run if number % 2 else run_async, number=number) for number in range(400)]

    assert [handle.result for handle in handles] == list(range(400))
