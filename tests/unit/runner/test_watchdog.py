"""The watchdog: who held the interpreter, where, and who did not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from livegraft.runner.watchdog import Stall, Watchdog
from tests.support import eventually

STOPPED = """
import sys, time
from livegraft.runner.watchdog import Watchdog
told = []
Watchdog().start(lambda file: None, told.append)
print("watching", flush=True)
sys.stdin.readline()
time.sleep(1.5)  # long enough to be looked at: only then there is nothing to be told
print(len(told), flush=True)
"""


def locate(file: str) -> tuple[str, str] | None:
    return ("pricing.py", "1a2b3c4d") if "pricing" in file or file == __file__ else None


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog()


@pytest.fixture
def told(dog: Watchdog) -> Iterator[list[Stall]]:
    told: list[Stall] = []
    dog.start(locate, told.append)
    yield told
    dog.stop(told.append)


def hold_the_interpreter() -> None:
    """One call into C of about two seconds, which lets no other thread go on."""
    size, began = 2_000_000, time.monotonic()
    sum(range(size))
    sum(range(int(size * 2 / (time.monotonic() - began))))


def test_tells_who_held_the_interpreter_and_where(told: list[Stall]) -> None:
    is_told = threading.Event()

    def compute() -> None:
        hold_the_interpreter()
        is_told.wait(10)

    thread = threading.Thread(target=compute, name="cruncher")
    thread.start()

    eventually(lambda: told)
    is_told.set()
    thread.join()
    [stall] = told
    assert (stall.name, stall.path, stall.function, stall.revision) == (
        "cruncher", "pricing.py", "hold_the_interpreter", "1a2b3c4d"
    )  # fmt: skip
    assert stall.thread == thread.ident
    assert stall.seconds is not None
    assert stall.seconds >= 1
    assert "in hold_the_interpreter" in stall.stack.splitlines()[-1]


def test_the_one_who_held_it_is_told_whoever_looked_first(dog: Watchdog, told: list[Stall]) -> None:
    began, me = time.monotonic(), threading.get_ident()
    hold_the_interpreter()

    stalls = dog.stalls_since(began, me)

    assert [stall.thread for stall in stalls] == [me]
    assert dog.stalls_since(began, me + 1) == []
    assert dog.stalls_since(time.monotonic(), me) == []
    eventually(lambda: told == stalls)


def test_tells_nothing_of_threads_that_let_each_other_go_on(told: list[Stall]) -> None:
    end = time.monotonic() + 1.6

    def compute() -> None:
        while time.monotonic() < end:
            sum(range(1_000))

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told == []


def test_a_process_that_was_stopped_has_not_stalled() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "watching\n"

    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5)  # the time that it is stopped for is what this is about
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate("\n", timeout=30)

    assert said == "0\n"
