"""Limits, retries and requests: when a run starts, and whether another one follows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from livegraft.context import cancelled
from livegraft.header import Concurrency, Retries
from livegraft.run import RunRecord, RunState, Trigger
from livegraft.run_handle import Run
from tests.support import eventually
from tests.support.running import Running, running


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, threads=4) as host:
        yield host


def retries(times: int, seconds: float = 0.01) -> Retries:
    return Retries(times, delay=timedelta(seconds=seconds))


def repeats_of(host: Running, run: Run, count: int) -> list[RunRecord]:
    """The runs that repeat one, when so many of them have ended."""

    def ended() -> bool:
        found = host.store.runs.repeats(run.id)
        return len(found) == count and all(each.ended_at for each in found)

    eventually(ended, what=f"{count} repeats have ended")
    return list(host.store.runs.repeats(run.id))


def test_of_a_script_with_a_limit_no_more_run_at_once(host: Running) -> None:
    go, inside, most = threading.Event(), [0], [0]
    lock = threading.Lock()

    def run() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        go.wait(60)
        with lock:
            inside[0] -= 1

    work = host.work(run, concurrency=Concurrency(2))
    runs = [host.submit(work) for _ in range(4)]
    eventually(lambda: inside[0] == 2, what="two runs are going")
    assert [run.state for run in runs[2:]] == [RunState.QUEUED, RunState.QUEUED]
    go.set()

    assert {run.wait(60).state for run in runs} == {RunState.SUCCEEDED}
    assert most[0] == 2


def test_a_limit_with_a_key_holds_for_each_value(host: Running) -> None:
    go, begun = threading.Event(), set[str]()

    def run(customer: str, number: int) -> None:
        begun.add(f"{customer}{number}")
        go.wait(60)

    work = host.work(run, concurrency=Concurrency(1, key="customer"))
    runs = [host.submit(work, customer=customer, number=number) for number in (1, 2) for customer in ("a", "b")]
    eventually(lambda: len(begun) == 2, what="one run of each customer is going")
    assert begun == {"a1", "b1"}
    go.set()

    assert {run.wait(60).state for run in runs} == {RunState.SUCCEEDED}


def test_a_run_that_waits_too_long_times_out_and_is_not_tried_again(host: Running) -> None:
    go = threading.Event()

    def run() -> None:
        go.wait(60)

    work = host.work(run, concurrency=Concurrency(1), queue_timeout=timedelta(seconds=0.5), retries=retries(3))
    first, second = host.submit(work), host.submit(work)

    record = second.wait(60)
    go.set()

    assert record.state is RunState.TIMED_OUT
    assert record.failure is not None
    assert (record.failure.type, record.started_at) == ("timeout", None)
    assert first.wait(60).state is RunState.SUCCEEDED
    assert host.store.runs.repeats(second.id) == []


def test_a_failed_run_is_tried_again_until_it_succeeds(host: Running) -> None:
    attempts = []

    def run(name: str) -> int:
        attempts.append(name)
        if len(attempts) < 3:
            raise ValueError(name)
        return len(attempts)

    host.live["reports/daily"] = work = host.work(run, retries=retries(5))
    first = host.submit(work, name="x")
    assert first.wait(60).state is RunState.FAILED

    second, third = repeats_of(host, first, 2)

    assert attempts == ["x", "x", "x"]
    assert (second.attempt, second.state, third.attempt, third.state) == (2, RunState.FAILED, 3, RunState.SUCCEEDED)
    assert second.due_at is not None
    assert second.started_at is not None
    assert second.started_at >= second.due_at


def test_it_is_tried_no_more_often_than_it_asks_for(host: Running) -> None:
    def run() -> None:
        raise ValueError

    host.live["reports/daily"] = work = host.work(run, retries=retries(2))
    first = host.submit(work)

    assert [each.attempt for each in repeats_of(host, first, 2)] == [2, 3]
    eventually(lambda: not host.dispatcher.view.active(), what="nothing waits any more")


def test_a_retry_executes_the_version_that_is_live_when_it_is_due(host: Running) -> None:
    def run() -> str:
        raise ValueError("broken")

    def mended() -> str:
        return "mended"

    host.live["reports/daily"] = host.work(mended, key="00ff")
    first = host.submit(host.work(run, retries=retries(1)))

    [second] = repeats_of(host, first, 1)

    assert first.record.key == "9f2c1a"
    assert (second.key, second.state) == ("00ff", RunState.SUCCEEDED)


def test_a_cancelled_run_is_not_tried_again(host: Running) -> None:
    begun = threading.Event()

    def run() -> None:
        begun.set()
        eventually(cancelled)

    host.live["reports/daily"] = work = host.work(run, retries=retries(3))
    first = host.submit(work)
    assert begun.wait(60)
    first.cancel()

    assert first.wait(60).state is RunState.CANCELLED
    assert host.store.runs.repeats(first.id) == []


def test_a_retry_that_waits_can_be_cancelled_and_is_seen(host: Running) -> None:
    def run() -> None:
        raise ValueError

    host.live["reports/daily"] = work = host.work(run, retries=retries(1, seconds=600))
    first = host.submit(work)
    first.wait(60)
    eventually(lambda: bool(host.dispatcher.view.active()), what="the retry waits")
    [waiting] = host.dispatcher.view.active()

    assert host.dispatcher.view.open_run("reports/daily") == waiting.id
    host.dispatcher.cancel(waiting.id)

    [second] = repeats_of(host, first, 1)
    assert second.state is RunState.CANCELLED


def test_a_retry_of_a_script_that_takes_no_runs_any_more_fails(host: Running) -> None:
    def run() -> None:
        raise ValueError

    def other(more: int) -> None: ...

    host.live["reports/daily"] = host.work(other)
    first = host.submit(host.work(run, retries=retries(1)))

    [second] = repeats_of(host, first, 1)
    assert second.state is RunState.FAILED
    assert second.failure is not None
    assert "more" in second.failure.message


def test_requests_with_one_key_start_one_run(host: Running) -> None:
    counted = []

    def run() -> int:
        counted.append(1)
        return len(counted)

    work = host.work(run)
    submit = host.dispatcher.submit
    runs = [submit(work, trigger=Trigger.API, actor="dana", arguments={}, request="order-7") for _ in range(3)]

    assert len({run.id for run in runs}) == 1
    assert [run.result for run in runs] == [1, 1, 1]
    other = submit(work, trigger=Trigger.API, actor="dana", arguments={}, request="order-8")
    assert other.result == 2
