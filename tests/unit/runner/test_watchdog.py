"""The watchdog: who held the interpreter, where, and who did not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.runner.watchdog import Stall, Watchdog
from tests.support import eventually

STACKS = """\
Thread 0x00007f0000000002 (most recent call first):
  File "/usr/lib/python3/threading.py", line 331 in wait

Current thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3/re.py", line 172 in match
  File "/data/sources/9f2c/pricing.py", line 7 in quote
  File "/data/sources/9f2c/pricing.py", line 12 in run
"""
STOPPED = """
import os, pathlib, signal, sys, threading, time
from livegraft.runner.watchdog import Watchdog
told = []
Watchdog().start(pathlib.Path(sys.argv[1]), lambda file: None, told.append)
print("watching", flush=True)
sys.stdin.readline()
time.sleep(1.5)  # long enough to be looked at: only then there is nothing to be told
print(len(told), flush=True)
"""


def locate(file: str) -> tuple[str, str] | None:
    return ("pricing.py", "1a2b3c4d") if "pricing" in file or file == __file__ else None


@pytest.fixture
def told(tmp_path: Path) -> Iterator[list[Stall]]:
    dog, told = Watchdog(), list[Stall]()
    dog.start(tmp_path / "watchdog", locate, told.append)
    yield told
    dog.stop(told.append)
    assert list((tmp_path / "watchdog").iterdir()) == []


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


def test_tells_where_a_thread_was_that_has_ended_since(told: list[Stall]) -> None:
    thread = threading.Thread(target=hold_the_interpreter)
    thread.start()
    thread.join()

    eventually(lambda: told)
    assert [(stall.thread, stall.function) for stall in told] == [(thread.ident, "hold_the_interpreter")]


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


def test_tells_where_a_process_that_is_gone_was_held(tmp_path: Path) -> None:
    (tmp_path / "1:1:0a0b0c0d").write_text(STACKS)
    dog, told = Watchdog(), list[Stall]()

    dog.start(tmp_path, locate, told.append)
    dog.stop(told.append)

    [stall] = told
    assert (stall.path, stall.line, stall.function, stall.seconds) == ("pricing.py", 7, "quote", None)
    assert str(stall).startswith("stalled the interpreter when the process ended, at pricing.py:7 in quote (1a2b3c4d)")
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_stopped_has_not_stalled(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "watching\n"

    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5)  # the time that it is stopped for is what this is about
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate("\n", timeout=30)

    assert said == "0\n"
