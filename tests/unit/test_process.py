"""Who a process is, and whether it lives."""

from __future__ import annotations

import subprocess
import sys

import psutil

from livegraft import process
from tests.support import eventually

TELLS = "from livegraft import process; print(process.identity(), flush=True); input()"


def test_this_process_lives() -> None:
    assert process.is_alive(process.identity())


def test_another_process_with_the_same_number_is_not_the_one_that_was_meant() -> None:
    pid, started, boot = process.identity().split(":")

    assert not process.is_alive(f"{pid}:{int(started) - 1}:{boot}")
    assert not process.is_alive(f"{pid}:{started}:another")
    assert not process.is_alive("")


def test_a_process_that_has_ended_does_not_live_though_nobody_has_asked_how_it_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        identity = child.stdout.readline().decode().strip()
        assert process.is_alive(identity)

        child.kill()
        eventually(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)

        assert not process.is_alive(identity)
