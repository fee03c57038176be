"""Looking at the stacks of other threads."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading

import pytest

from livegraft.frames import frames_of_other_threads, stack

# Each round lets the thread that is looked at run on, within the collection that begins at another allocation
# of the look: its frames end, and larger ones take their memory.
RUN_ON_WITHIN_THE_LOOK = """
import gc, sys, threading, time
from livegraft.frames import frames_of_other_threads, stack

LOCALS = "; ".join(f"local{n} = {n}" for n in range(200))
namespace = {}
exec(f"def wide(depth, last):\\n    {LOCALS}\\n    return wide(depth - 1, last) if depth else last()", namespace)
wide = namespace["wide"]


def narrow(depth, last):
    return narrow(depth - 1, last) if depth else last()


def until(condition):
    while not condition():
        time.sleep(0)


class Walked:
    def __init__(self):
        self.place = ""
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        narrow(30, lambda: self.stay("narrow"))
        wide(10, lambda: self.stay("wide"))
        self.place = "end"

    def stay(self, place):
        self.place, self.leave = place, False
        until(lambda: self.leave)

    def run_on(self):
        place = self.place
        self.leave = True
        until(lambda: self.place != place)


def in_collection(phase, info):
    global countdown
    if phase == "start" and threading.get_ident() == main:
        countdown -= 1
        if countdown == 0:
            walked.run_on()


main = threading.get_ident()
for turn in range(60):
    walked = Walked()
    until(lambda: walked.place == "narrow")
    countdown = turn + 1
    gc.callbacks.append(in_collection)
    gc.set_threshold(1)
    seen = [list(stack(frame)) for frame in frames_of_other_threads().values()]
    gc.set_threshold(700)
    gc.callbacks.remove(in_collection)
    while walked.place != "end":
        walked.run_on()
    del seen
print("looked")
"""


def test_a_thread_that_runs_on_while_it_is_looked_at_does_no_harm() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN_ON_WITHIN_THE_LOOK)], capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout.strip()) == (0, "looked"), done.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_looking_leaves_the_hosts_setting_of_the_collector_alone(enabled: bool) -> None:
    stay = threading.Event()
    thread = threading.Thread(target=stay.wait)
    thread.start()
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()

        names = [frame.f_code.co_name for frame, _ in stack(frames_of_other_threads()[thread.ident or 0])]

        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
        stay.set()
        thread.join()
    assert names[-3:] == ["run", "_bootstrap_inner", "_bootstrap"]
