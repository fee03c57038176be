"""Stands between a program and its PostgreSQL server, and cuts connections when the server has committed.

So the program never learns that it did: what is left to it is to look.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.support.between import Between, serving

_PORT: Final = ".s.PGSQL.5432"


class LostAnswers(Between):
    """``folder`` is the host to connect to, ``to_lose`` how many answers to a commit will not come.

    With ``then_away`` no connection is made after that, until it is taken back.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self.to_lose = 0
        self.then_away = False
        self._is_away = threading.Event()
        self._server = server / _PORT
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(folder / _PORT))
        listening.listen()
        super().__init__(listening)

    def come_back(self) -> None:
        self.then_away = False
        self._is_away.clear()

    def pass_on(self, client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            if self._is_away.is_set():
                return
            server.connect(str(self._server))
            answers = _Answers(server, client)
            answers.start()
            while asked := client.recv(1 << 16):
                is_lost = bool(self.to_lose) and b"COMMIT\0" in asked
                if is_lost:
                    self.to_lose -= 1
                    answers.are_lost = True
                server.sendall(asked)
                if is_lost:
                    answers.came.wait(30)
                    if self.then_away:
                        self._is_away.set()
                    client.shutdown(socket.SHUT_RDWR)
                    break
            server.shutdown(socket.SHUT_RDWR)
            answers.join()


class _Answers(threading.Thread):
    """Passes on what the server says, until that is to be lost; ``came`` tells that something was."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        super().__init__(daemon=True)
        self._server, self._client = server, client
        self.are_lost = False
        self.came = threading.Event()

    def run(self) -> None:
        with suppress(OSError):
            while said := self._server.recv(1 << 16):
                if self.are_lost:
                    self.came.set()
                else:
                    self._client.sendall(said)
            self._client.shutdown(socket.SHUT_RDWR)


@contextmanager
def losing_answers(server: Path) -> Iterator[LostAnswers]:
    """Between programs and the server whose socket is in a folder."""
    with (
        tempfile.TemporaryDirectory(prefix="livegraft-lost-") as folder,
        serving(LostAnswers(Path(folder), server)) as between,
    ):
        yield between
