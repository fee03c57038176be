"""Where a history is: as the settings ``store`` and ``data`` say it, so that other processes open the same one."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from livegraft.store.opening import open_store
from livegraft.store.sql import SqlStore
from tests.support.history import put_history
from tests.support.postgresql import GivenServer

_PROLOGUE = """
import sys
from pathlib import Path
from livegraft.store.opening import open_store

store = open_store(sys.argv[1], Path(sys.argv[2]))
"""


@dataclass(frozen=True)
class Place:
    """``address`` is "" for a SQLite file in the ``folder``."""

    address: str
    folder: Path

    def open(self) -> SqlStore:
        store = open_store(self.address, self.folder)
        assert isinstance(store, SqlStore)
        return store

    def in_another_process(self, program: str, *words: str) -> subprocess.Popen[str]:
        """A process that runs a program with the open ``store``; its words are in ``sys.argv[3:]``."""
        command = [sys.executable, "-c", _PROLOGUE + textwrap.dedent(program), self.address, str(self.folder), *words]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class SqlitePlace(Place):
    def __init__(self, folder: Path, *, empty: bool = False) -> None:
        super().__init__("", folder)
        if not empty:
            put_history(folder / "history.db")


@contextmanager
def a_postgresql_place(server: GivenServer, folder: Path, *, empty: bool = False) -> Iterator[Place]:
    name = server.make_database() if empty else server.make_history()
    try:
        yield Place(server.address(name), folder)
    finally:
        server.drop_database(name)
