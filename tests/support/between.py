"""What stands between a program and a server it speaks to: takes connections, one thread for each."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar


class Between(ABC):
    """Takes connections at a listening socket."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening

    @abstractmethod
    def pass_on(self, client: socket.socket) -> None:
        """Serve one connection to its end. OSError ends it."""

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve_one(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self.pass_on(client)


B = TypeVar("B", bound=Between)


@contextmanager
def serving(between: B) -> Iterator[B]:
    """Until the end of the block."""
    thread = threading.Thread(target=between.serve, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        between.close()
        thread.join()
