"""Raising an exception in another thread, and what that must not do to the others."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from livegraft.raising import raise_in


class StruckError(BaseException):
    pass


def a_thread_that_is_struck_in(work: Callable[[], object]) -> tuple[threading.Thread, threading.Event]:
    """A thread that does the work, and whether an exception struck it there."""
    begun, struck = threading.Event(), threading.Event()

    def code() -> None:
        try:
            begun.set()
            work()
        except StruckError:
            struck.set()

    thread = threading.Thread(target=code, daemon=True)
    thread.start()
    assert begun.wait(60)
    return thread, struck


def spin() -> None:
    while True:
        pass


def test_strikes_a_thread_that_computes() -> None:
    thread, struck = a_thread_that_is_struck_in(spin)
    assert thread.ident is not None

    assert raise_in(thread.ident, StruckError)

    assert struck.wait(60)


def test_strikes_a_thread_that_waits_in_c_once_it_goes_on() -> None:
    gate = threading.Lock()
    gate.acquire()

    def wait_in_c() -> None:
        with gate:
            spin()

    thread, struck = a_thread_that_is_struck_in(wait_in_c)
    assert thread.ident is not None

    assert raise_in(thread.ident, StruckError)
    assert not struck.is_set()
    gate.release()

    assert struck.wait(60)


def test_strikes_the_thread_that_asks() -> None:
    def raise_here() -> None:
        raise_in(threading.get_ident(), StruckError)
        spin()

    with pytest.raises(StruckError):
        raise_here()


def test_no_thread_has_this_ident() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert thread.ident is not None

    assert not raise_in(thread.ident, StruckError)


@pytest.mark.parametrize("observed", ["settrace", "setprofile"])
def test_observed_threads_go_on_while_an_exception_waits_for_one_that_waits_in_c(observed: str) -> None:
    """On CPython 3.11 they never do while the interpreter looks for an exception to raise in some thread."""
    code = WAITING.replace("OBSERVED", observed)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "went on"), done.stderr


WAITING = """
import os, sys, threading
from livegraft.raising import raise_in

class StruckError(BaseException):
    pass

gate, begun = threading.Lock(), threading.Event()
gate.acquire()

def wait_in_c():
    begun.set()
    gate.acquire()

waiting = threading.Thread(target=wait_in_c, daemon=True)
waiting.start()
begun.wait()
raise_in(waiting.ident, StruckError)

def call():
    return "went on"

sys.OBSERVED(lambda *event: None)
answer = call()
sys.OBSERVED(None)
print(answer, flush=True)
os._exit(0)
"""
