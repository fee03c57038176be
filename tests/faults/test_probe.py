"""What would end a host at import ends in the probe's child: the last good version serves, the next commit goes live."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from livegraft.run import RunFailure
from livegraft.store import Outcome, ScriptOutcome
from tests.support.host import Host, a_host
from tests.support.waiting import eventually

GOOD = "def run(): return 'good'"
MENDED = "def run(): return 'mended'"
MEMORY_BYTES = 64 * 2**20


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path, files={"s.py": GOOD}, probe_memory_bytes=MEMORY_BYTES) as host:
        yield host


def refused(outcome: ScriptOutcome) -> RunFailure:
    assert outcome.outcome is Outcome.FAILED
    assert outcome.failure is not None
    return outcome.failure


def processes() -> set[int]:
    """The zygote of this process and what it forked, by pid."""
    return {process.pid for process in psutil.Process().children(recursive=True) if process.is_running()}


def zygote() -> psutil.Process:
    """The one zygote of this process."""
    (found,) = (each for each in psutil.Process().children() if "livegraft.probe.zygote" in " ".join(each.cmdline()))
    return found


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("import os\nos._exit(0)", 2, "ended the process that probed it: exit status 0"),
        ("import os\ndef leave():\n    os._exit(7)\nleave()", 3, "exit status 7"),
        ("import ctypes\nctypes.string_at(0)", 2, "SIGSEGV"),
        ("import os\n\nos.abort()", 3, "SIGABRT"),
        ("import ctypes\nctypes.CDLL(None).exit(4)", 0, "exit status 4"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 0, "SIGKILL"),
        ("kept = []\nwhile True:\n    kept.append(bytearray(2**20))", 3, "takes more than 64 MiB of memory"),
        ("x = 1\ny = bytearray(2**30)", 2, "takes more than 64 MiB of memory"),
    ],
    ids=["_exit", "_exit in a function", "segfault", "abort", "exit in C", "killed", "memory bomb", "one big object"],
)
def test_what_would_end_the_host_is_refused_with_its_place(host: Host, body: str, line: int, says: str) -> None:
    outcome = host.take({"s.py": f"{body}\ndef run(): return 'bad'", "other.py": GOOD})

    failure = refused(outcome["s"])
    assert (failure.path, failure.line) == ("s.py", line)
    assert says in failure.message
    assert host.live.s.run() == "good"
    assert outcome["other"].outcome is Outcome.LOADED
    error = host.supervisor.script("s").error
    assert error is not None
    assert error.revision == host.repository.git("rev-parse", "HEAD")
    assert host.take({"s.py": MENDED})["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "mended"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("while True:\n    pass", 1),
        ("import os\nread, write = os.pipe()\nos.read(read, 1)", 3),
        ("import signal, time\nsignal.signal(signal.SIGABRT, signal.SIG_IGN)\ntime.sleep(60)", 0),
    ],
    ids=["endless loop", "blocked", "blocked and deaf"],
)
def test_an_import_without_an_end_is_killed(tmp_path: Path, body: str, line: int) -> None:
    with a_host(tmp_path, files={"s.py": GOOD}, import_seconds=1.0) as host:
        threads = threading.active_count()

        failure = refused(host.take({"s.py": f"{body}\ndef run(): return 'bad'"})["s"])

        assert (failure.path, failure.message) == ("s.py", "the import did not end within 1 s")
        assert failure.line in {line, line + 1 if line == 1 else line}
        assert threading.active_count() == threads, "the host itself never imported it"
        assert host.live.s.run() == "good"
        assert host.take({"s.py": MENDED})["s"].outcome is Outcome.LOADED
