"""``livegraft serve --supervised``: a small process that starts the server, and starts it again when it dies.

The socket is the parent's: who connects while there is no server waits for the next one. A server that ends because it
was asked to, or because it cannot start, says so in a pipe; whatever else ends it is a death.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from livegraft.cli.listening import listen
from livegraft.errors import LivegraftError

logger = logging.getLogger(__name__)

_SERVER: Final = "LIVEGRAFT_SUPERVISED"
"""What a server is told in its environment: the descriptors of the socket and of the pipe, and its parent."""

_PAUSE_SECONDS: Final = (0.1, 30.0)
"""The first and the longest pause before a start; each is twice as long as the one before."""

_STEADY_SECONDS: Final = 60.0
"""A server that lived longer than that is started as after its first death."""

_LOOK_SECONDS: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1


def is_parent() -> bool:
    """Whether this process is to start servers, and is none."""
    return _SERVER not in os.environ


def supervise(address: str) -> int:
    """Keep a server alive, started as this process was, until it ends as it should; its exit status.

    Raises ConfigurationError.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with listen(address) as listening:
        listening.listen()
        return _Keeper(listening, [sys.executable, *sys.orig_argv[1:]]).keep()


class _Keeper:
    """One server after the other. SIGTERM and SIGINT are passed on, and then there is no other."""

    def __init__(self, listening: socket.socket, command: Sequence[str]) -> None:
        self._listening = listening
        self._command = command
        self._server: subprocess.Popen[bytes] | None = None
        self._signal = 0

    def keep(self) -> int:
        before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._keep()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _keep(self) -> int:
        pause, longest = _PAUSE_SECONDS
        while True:
            began = time.monotonic()
            status, is_orderly = self._serve()
            if is_orderly:
                return status
            if self._is_asked():
                return 128 + self._signal
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _PAUSE_SECONDS[0]
            logger.error("the server died with %s; the next one starts in %.1f s", _words(status), pause)
            if self._is_asked(within=pause):
                return 128 + self._signal
            pause = min(2 * pause, longest)

    def _serve(self) -> tuple[int, bool]:
        """The exit status of one server, and whether it said that it ends."""
        said, says = os.pipe()
        try:
            try:
                # A session of its own: what a terminal sends comes to it by this process, once.
                self._server = subprocess.Popen(
                    self._command,
                    env={**os.environ, _SERVER: f"{self._listening.fileno()} {says} {os.getpid()}"},
                    pass_fds=(self._listening.fileno(), says),
                    start_new_session=True,
                )
            finally:
                os.close(says)
            if self._is_asked():  # it came before there was anybody to pass it on to
                self._server.send_signal(self._signal)
            status = self._server.wait()
            os.set_blocking(said, False)  # what the server started may have the other end still
            try:
                return status, bool(os.read(said, 1))
            except BlockingIOError:
                return status, False
        finally:
            os.close(said)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        if self._server is not None:
            self._server.send_signal(number)

    def _is_asked(self, *, within: float = 0.0) -> bool:
        """Whether a signal came, or comes within so many seconds."""
        until = time.monotonic() + within
        while not self._signal and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        return bool(self._signal)


def _words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


@contextmanager
def given_socket() -> Iterator[socket.socket | None]:
    """In a server: the socket of its parent, which learns if this block ends as it should; None without a parent.

    The server stops when its parent dies.
    """
    told = os.environ.pop(_SERVER, None)  # it is for this process, and not for what that starts
    if told is None:
        yield None
        return
    descriptor, says, parent = map(int, told.split())
    os.set_inheritable(descriptor, False)
    os.set_inheritable(says, False)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)
    with socket.socket(fileno=descriptor) as address:
        try:
            yield address
        except LivegraftError:
            os.write(says, b"e")
            raise
    os.write(says, b"e")
