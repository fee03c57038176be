"""The watchdog: who held the interpreter, where, and who did not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft import process
from livegraft.onlooker import child
from livegraft.onlooker.process import OnlookerProcess
from livegraft.runner.watchdog import Stall, Watchdog, left
from tests.support import eventually

WATCHED = """
import ctypes, pathlib, sys, time
from livegraft.onlooker.process import OnlookerProcess
from livegraft.runner.watchdog import Watchdog
told = []
dog = Watchdog()
dog.start(lambda file: None, told.append, folder=pathlib.Path(sys.argv[1]), begin=OnlookerProcess)
time.sleep(0.7)  # one beat
print("watching", flush=True)
"""

STOPPED = """
sys.stdin.readline()
time.sleep(1.5)  # long enough to be looked at: only then there is nothing to be told
print(len(told), flush=True)
dog.stop(told.append)
"""

HANGS = """
def wait_for_ever():
    ctypes.PyDLL(None).sleep(600)  # it keeps the interpreter and takes no processor time

def compute_for_ever():
    sum(range(1 << 40))

globals()[sys.argv[2]]()
"""


def locate(file: str) -> tuple[str, str] | None:
    return ("pricing.py", "1a2b3c4d") if file in (__file__, "<string>") else None


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog()


@pytest.fixture
def told(dog: Watchdog, tmp_path: Path) -> Iterator[list[Stall]]:
    told: list[Stall] = []
    dog.start(locate, told.append, folder=tmp_path / "stalls", begin=OnlookerProcess)
    eventually(lambda: dog.is_watching)
    yield told
    dog.stop(told.append)


def hold_the_interpreter() -> None:
    """A call into C of two to four seconds, which lets no other thread go on: a busy machine takes its time to look."""
    size, began = 2_000_000, time.monotonic()
    sum(range(size))
    took = time.monotonic() - began
    while took < 2:  # what was measured may have been slower than what follows
        size = int(size * 2.5 / took)
        began = time.monotonic()
        sum(range(size))
        took = time.monotonic() - began


def test_tells_who_held_the_interpreter_and_where(told: list[Stall], tmp_path: Path) -> None:
    is_told = threading.Event()

    def compute() -> None:
        hold_the_interpreter()
        is_told.wait(60)

    thread = threading.Thread(target=compute, name="cruncher")
    thread.start()

    eventually(lambda: told)
    is_told.set()
    thread.join()
    stall = told[-1]
    assert (stall.name, stall.path, stall.function, stall.revision) == (
        "cruncher", "pricing.py", "hold_the_interpreter", "1a2b3c4d"
    )  # fmt: skip
    assert stall.thread == thread.native_id
    assert stall.seconds >= 1
    assert "in hold_the_interpreter" in stall.stack.splitlines()[-1]
    assert [*left(tmp_path / "stalls", locate)] == []


def test_the_one_who_held_it_is_told_whoever_looked_first(dog: Watchdog, told: list[Stall]) -> None:
    began, me = time.monotonic(), threading.get_native_id()
    hold_the_interpreter()

    stalls = dog.stalls_since(began, me)

    assert {stall.thread for stall in stalls} == {me}
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


def test_a_process_that_was_stopped_has_not_stalled(tmp_path: Path) -> None:
    with watched(STOPPED, tmp_path) as running:
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(1.5)  # the time that it is stopped for is what this is about
        os.kill(running.pid, signal.SIGCONT)
        said, _ = running.communicate("\n", timeout=30)

    assert said == "0\n"


@pytest.mark.parametrize("function", ["wait_for_ever", "compute_for_ever"])
def test_a_stall_that_never_ends_is_told_by_the_next_process(tmp_path: Path, function: str) -> None:
    with watched(HANGS, tmp_path, function) as running:
        eventually(lambda: [*tmp_path.glob("[!.]*")])
        assert [*left(tmp_path, locate)] == [], "while its process lives it may still end"
        running.kill()
        running.wait()

        [stall] = left(tmp_path, locate)

    assert (stall.path, stall.function, stall.name, stall.thread) == (
        "pricing.py", function, "MainThread", running.pid
    )  # fmt: skip
    assert stall.was_last
    assert "until its process ended, at pricing.py:" in str(stall)
    assert [*left(tmp_path, locate)] == [], "each is told once"


def test_whoever_may_not_look_in_tells_the_thread_at_least(
    dog: Watchdog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegraft.onlooker.process._spy", lambda: "")
    told: list[Stall] = []
    dog.start(locate, told.append, folder=tmp_path, begin=OnlookerProcess)
    eventually(lambda: dog.is_watching)
    hold_the_interpreter()

    eventually(lambda: told)
    dog.stop(told.append)

    assert (told[-1].path, told[-1].thread, told[-1].name) == ("", threading.get_native_id(), "MainThread")
    assert "py-spy" in told[-1].stack


def test_another_process_looks_on_when_the_one_that_did_is_gone(tmp_path: Path) -> None:
    begun: list[OnlookerProcess] = []

    def begin(held_seconds: float) -> OnlookerProcess:
        begun.append(OnlookerProcess(held_seconds))
        return begun[-1]

    dog, told = Watchdog(retry_seconds=0), list[Stall]()
    dog.start(locate, told.append, folder=tmp_path, begin=begin)
    eventually(lambda: begun)
    begun[0].kill()
    eventually(lambda: begun[1:] and dog.is_watching, what="the second one has answered")

    hold_the_interpreter()

    eventually(lambda: told)
    dog.stop(told.append)
    assert told[-1].function == "hold_the_interpreter"


def test_what_is_left_half_written_or_of_a_process_that_lives_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1:2:dead").write_text("{")
    (tmp_path / process.identity()).write_text(json.dumps({}))

    assert [*left(tmp_path, locate)] == []
    assert (tmp_path / process.identity()).exists()


def watched(code: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process with a watchdog that has begun to look on, and what it does then."""
    running = subprocess.Popen(
        [sys.executable, "-c", WATCHED + code, str(folder), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "watching\n"
    return running


@pytest.mark.parametrize("could_go_on", [False, True])
def test_a_host_whose_threads_only_lack_processor_time_does_not_stall(could_go_on: bool) -> None:
    ended = threading.Event()
    sleeper = threading.Thread(target=ended.wait)
    sleeper.start()
    looking = OnlookerProcess(1.0)
    # One that computes is in the state of one that could: then it is the machine that keeps it from going on.
    beating = threading.get_native_id() if could_go_on else sleeper.native_id
    assert looking.beat(beating or 0, []) is None

    hold_the_interpreter()
    seen = looking.beat(beating or 0, [])

    looking.close()
    ended.set()
    sleeper.join()
    assert (seen is None) is could_go_on


def test_a_host_whose_threads_take_turns_that_come_late_does_not_stall() -> None:
    ended = threading.Event()
    sleeper = threading.Thread(target=ended.wait)
    sleeper.start()
    looking = OnlookerProcess(1.0)
    assert looking.beat(sleeper.native_id or 0, []) is None

    move_on(seconds=5)  # so that two looks come to their end, also on a busy machine
    seen = looking.beat(sleeper.native_id or 0, [])

    looking.close()
    ended.set()
    sleeper.join()
    assert seen is None


def move_on(seconds: float) -> None:
    """Compute here and there, never long in one place."""
    code = compile("\n".join(["sum(range(1_000))"] * 1_000), "<many lines>", "exec")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        exec(code)


def test_a_host_that_is_killed_before_it_has_its_answer_leaves_no_traceback() -> None:
    answers, unheard = os.pipe()
    looking = subprocess.Popen(
        [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), "1.0", ""],
        stdin=subprocess.PIPE, stdout=unheard, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(unheard)
    os.close(answers)

    _, said = looking.communicate(b"null\n", timeout=60)

    assert said == b""
