"""Raising an exception in a thread, and only in the window that it opened."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from livegraft.runner.interrupt import RunCancelledError, Window
from tests.support import eventually


def on_a_thread(code: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=code, daemon=True)
    thread.start()
    return thread


def spin() -> None:
    while True:
        pass


def test_strikes_the_thread_in_the_window() -> None:
    window, struck = Window(), threading.Event()

    def code() -> None:
        try:
            with window:
                spin()
        except RunCancelledError:
            struck.set()

    on_a_thread(code)
    eventually(window.interrupt)

    assert struck.wait(60)
    assert window.thread is None


def test_strikes_nobody_while_the_window_is_closed() -> None:
    window = Window()
    assert not window.interrupt()
    with window:
        pass
    assert not window.interrupt()


def test_strikes_once_at_most() -> None:
    window = Window()

    def code() -> None:
        with window:
            window.interrupt()
            spin()

    with pytest.raises(RunCancelledError):
        code()
    with window:
        assert not window.interrupt()


def test_what_was_not_delivered_in_the_window_is_taken_back() -> None:
    """Many windows on one thread, each interrupted at about its end: nothing strikes after the window."""
    windows: list[Window] = []
    escaped: list[BaseException] = []
    done = threading.Event()

    def code() -> None:
        for _ in range(2000):
            window = Window()
            try:
                windows.append(window)
                with window:
                    sum(range(20))
            except RunCancelledError:
                pass
            try:
                sum(range(20))
                sum(range(20))
            except RunCancelledError as error:
                escaped.append(error)
        done.set()

    thread = on_a_thread(code)
    while not done.is_set() and thread.is_alive():
        if windows:
            windows[-1].interrupt()
        time.sleep(0)

    assert done.is_set()
    assert escaped == []


def test_code_under_a_profiler_goes_on_after_an_interrupt() -> None:
    """On CPython 3.11 it never does while the interpreter still looks for an exception to raise in a thread."""
    done = subprocess.run([sys.executable, "-c", PROFILED], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "went on"), done.stderr


PROFILED = """
import sys, threading, time
from livegraft.runner.interrupt import RunCancelledError, Window

window = Window()

def work():
    try:
        with window:
            while True:
                pass
    except RunCancelledError:
        pass

thread = threading.Thread(target=work)
thread.start()
while not window.interrupt():
    time.sleep(0.001)
thread.join()

def call():
    return "went on"

sys.setprofile(lambda *event: None)
answer = call()
sys.setprofile(None)
print(answer)
"""
