"""Stands between a browser and a server, and cuts their connections as a network does that goes away."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.support.between import Between


class Relay(Between):
    """Passes on what both say; ``port`` is where to connect to, on the loopback address."""

    def __init__(self, server_port: int) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        super().__init__(listening)
        self._server_port = server_port
        self.port: int = listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._is_away = False
        self._lock = threading.Lock()

    def cut(self) -> None:
        """End all connections and take no new ones until ``mend``."""
        with self._lock:
            self._is_away = True
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_away = False

    def close(self) -> None:
        self.cut()
        super().close()

    def pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._server_port)) as server:
            both = {client, server}
            with self._lock:
                if self._is_away:
                    return
                self._open |= both
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
            with self._lock:
                self._open -= both


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
