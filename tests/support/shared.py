"""Shared data over a real history: in this process, and in others that are started for it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from livegraft import process
from livegraft.clock import Clock, SystemClock
from livegraft.shared_data import SharedSpace
from livegraft.store.sql import SqlStore
from livegraft.testing import FakeClock
from tests.support.history import a_history

NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)

_PROLOGUE = """
import sys
from pathlib import Path
from tests.support.shared import a_space

file = Path(sys.argv[1])
"""


def space_of(store: SqlStore, clock: Clock | None = None) -> SharedSpace:
    return SharedSpace(
        ledger=store.shared, clock=clock or SystemClock(), process=process.identity(), is_alive=process.is_alive
    )


@contextmanager
def a_space(file: Path, clock: Clock | None = None) -> Iterator[SharedSpace]:
    """The shared data of a history in a file."""
    store = a_history(file)
    try:
        yield space_of(store, clock)
    finally:
        store.close()


def a_fake_clock() -> FakeClock:
    return FakeClock(NOW)


def in_another_process(file: Path, program: str) -> subprocess.Popen[str]:
    """A process that runs a program with ``file`` as the history; it can print and be killed."""
    text = _PROLOGUE + textwrap.dedent(program)
    command = [sys.executable, "-c", text, str(file)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
