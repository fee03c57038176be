"""The guard: what runs change is put back when none is left that could rely on it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from livegraft.context import CurrentRun
from livegraft.runner.guard import Guard
from livegraft.runner.output import RunOutput


@pytest.fixture
def guard() -> Iterator[Guard]:
    before = socket.getdefaulttimeout()
    yield Guard()
    socket.setdefaulttimeout(before)


def a_run(name: str) -> CurrentRun:
    return CurrentRun(name, RunOutput())


def test_puts_back_and_tells_what_a_run_changed(guard: Guard) -> None:
    before = guard.enter(a_run("one"))
    socket.setdefaulttimeout(3)

    told = guard.leave(before)

    assert told == [
        "livegraft: this run, or one beside it, changed the default timeout of sockets (now 3.0, was None)\n"
    ]
    assert socket.getdefaulttimeout() is None


def test_tells_and_leaves_what_a_library_may_rely_on(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    before = guard.enter(a_run("one"))
    monkeypatch.setenv("A_SECRET", "hunter2")

    told = guard.leave(before)

    assert told == [
        "livegraft: this run, or one beside it, changed environment variables: A_SECRET; this is left as it is\n"
    ]
    assert os.environ["A_SECRET"] == "hunter2"


def test_waits_for_the_last_run(guard: Guard) -> None:
    first, second = guard.enter(a_run("one")), guard.enter(a_run("two"))
    socket.setdefaulttimeout(3)

    guard.leave(first)
    assert socket.getdefaulttimeout() == 3
    guard.leave(second)
    assert socket.getdefaulttimeout() is None


def test_does_not_wait_for_a_run_that_is_stuck(guard: Guard) -> None:
    stuck = a_run("stuck")
    guard.enter(stuck)
    other = guard.enter(a_run("two"))
    socket.setdefaulttimeout(3)

    guard.give_up(stuck)
    guard.leave(other)

    assert socket.getdefaulttimeout() is None


def test_does_not_wait_for_a_run_that_was_stuck_before_it_began(guard: Guard) -> None:
    stuck = a_run("stuck")
    guard.give_up(stuck)
    late = guard.enter(stuck)
    other = guard.enter(a_run("two"))
    socket.setdefaulttimeout(3)

    guard.leave(other)
    assert socket.getdefaulttimeout() is None
    assert guard.leave(late) == []
