"""A zygote and the children that it forks, as their host holds them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

# The host's own search path: modules of the host that its scripts import are found by it, livegraft perhaps too. A
# process of another environment has that one's, and then where it finds livegraft.
_BOOT: Final = (
    "import json, sys; settings = json.loads(sys.argv[1]); sys.path[:] = settings.pop('path') or sys.path; "
    "sys.path += settings.pop('links'); "
    "from livegraft.probe.zygote import main; main(settings)"
)

_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Numeric libraries start threads when they are imported; a zygote must have none, and nothing is computed there."""

_LINE_BYTES: Final = 4 * 1024 * 1024
_AHEAD_BYTES: Final = 64 * 1024
_CHUNK: Final = 256 * 1024
_SEND_SECONDS: Final = 1.0
_END_SECONDS: Final = 2.0
_LAST_WORDS_SECONDS: Final = 0.2

Lines = list[list[Any]]


class ZygoteError(Exception):
    """The zygote does not do its work."""


class Zygote:
    """A process that forks children on demand.

    ``language`` names the module whose ``serve`` the children call; ``folder`` takes the sources; each child may use
    ``memory_bytes`` beyond what the zygote has. ``environment`` is all that they see of one. With a ``python`` it has
    the packages of that interpreter, and what is in ``links``, instead of those of the host. Raises ZygoteError when
    there is no such process to be had; one that does not come to work shows in its children. ``has_started`` is set
    by whoever hears of a first child.
    """

    def __init__(
        self,
        *,
        language: str,
        folder: Path,
        memory_bytes: int,
        environment: Mapping[str, str] = os.environ,
        python: Path | None = None,
        links: Path | None = None,
    ) -> None:
        self.fork_count = 0
        self.has_started = False
        settings = {
            "path": sys.path if python is None else None,
            "links": [str(links)] if links is not None else [],
            "language": language,
            "folder": str(folder),
            "memory_bytes": memory_bytes,
        }
        program = str(python or sys.executable)
        self._control, theirs = _pair()
        self._control.settimeout(_SEND_SECONDS)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [program, "-P", "-c", _BOOT, json.dumps(settings)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env={**dict.fromkeys(_ONE_THREAD, "1"), **environment},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                self._control.close()
                raise ZygoteError(f"{program!r} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def fork(self, more: Sequence[int] = ()) -> Child:
        """A child that gets ready while the caller goes on, with further descriptors. Raises ZygoteError."""
        child = Child(self)
        try:
            order = json.dumps(["fork", len(more)]).encode() + b"\n"
            socket.send_fds(self._control, [order], [*child.ends(), *more])
        except OSError as error:
            child.close()
            raise ZygoteError(f"it does not answer: {error}") from error
        child.give_ends()
        self.fork_count += 1
        return child

    def preload(self, names: Sequence[str]) -> None:
        """Have it import modules, before it forks the next child."""
        with contextlib.suppress(OSError):  # who needs it next finds out
            self._control.sendall(json.dumps(["preload", names]).encode() + b"\n")

    def last_words(self) -> str:
        """What it said last before it died at its start; "" when it said nothing."""
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        try:
            self._process.wait(_LAST_WORDS_SECONDS)  # its sockets close a little before it is over
        except subprocess.TimeoutExpired:
            return ""
        said = self._process.stderr.read(_CHUNK).decode("utf-8", "replace").strip()
        return said.rpartition("\n")[2]

    def close(self) -> None:
        """It ends with its socket, and its children with it; it is not awaited before its first child is there."""
        self._control.close()
        try:
            self._process.wait(_END_SECONDS if self.has_started else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        self._process.stderr.close()


class Child:
    """A forked process. Lines go to it and come from it; the zygote tells by a second way how it ended."""

    def __init__(self, zygote: Zygote) -> None:
        self.zygote = zygote
        self._channel, self._channel_end = _pair()
        try:
            self._status, self._status_end = _pair()
        except ZygoteError:
            self._channel.close()
            self._channel_end.close()
            raise
        self._outgoing = bytearray()
        self._received = {self._channel: bytearray(), self._status: bytearray()}
        self._is_silent = False
        for end in self._received:
            end.setblocking(False)

    def ends(self) -> list[int]:
        """What the zygote gets."""
        return [self._channel_end.fileno(), self._status_end.fileno()]

    def give_ends(self) -> None:
        """The zygote has them: only its own are open now."""
        self._channel_end.close()
        self._status_end.close()

    @property
    def has_room(self) -> bool:
        """Whether more may be sent without getting far ahead of it."""
        return len(self._outgoing) < _AHEAD_BYTES

    def send(self, line: list[Any]) -> None:
        """Have a line sent with the next ``flush`` or ``exchange``."""
        self._outgoing += json.dumps(line).encode() + b"\n"

    def flush(self) -> None:
        """Send what it takes at once."""
        with contextlib.suppress(OSError):  # full, or gone: that shows when it is listened to
            while self._outgoing:
                with memoryview(self._outgoing) as view:
                    sent = self._channel.send(view[:_CHUNK])
                del self._outgoing[:sent]

    def exchange(self, seconds: float) -> tuple[Lines, Lines | None]:
        """Send, and wait for what comes: lines of the child, and of the zygote about it (None when that is gone)."""
        self.flush()
        poller = select.poll()
        poller.register(self._status, select.POLLIN)
        if not self._is_silent:
            poller.register(self._channel, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        poller.poll(max(0.0, seconds) * 1000)
        # In this order: when the zygote says that it ended, all that it said is there.
        told = self._read(self._status)
        lines = self._read(self._channel)
        self._is_silent |= lines is None
        return lines or [], told

    def abort(self) -> None:
        """Have it leave its stack and end."""
        self._tell(b"abort\n")

    def terminate(self) -> None:
        """Send the signal TERM to its process group."""
        self._tell(b"term\n")

    def kill(self) -> None:
        self._tell(b"kill\n")

    def bound(self, most: int) -> None:
        """Have it killed when it and all that it starts are more than so many processes."""
        self._tell(b"most %d\n" % most)

    def close(self) -> None:
        """Let go of it: whatever it does, it ends, with its process group."""
        self.give_ends()
        self._channel.close()
        self._status.close()

    def _tell(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            self._status.send(what)

    def _read(self, end: socket.socket) -> Lines | None:
        """The whole lines that have come; None when there will be none any more."""
        received, is_over = self._received[end], False
        while len(received) < _LINE_BYTES and not is_over:
            try:
                data = end.recv(_CHUNK)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            received += data
            is_over = not data
        *whole, rest = bytes(received).split(b"\n")
        received[:] = rest if len(rest) < _LINE_BYTES else b""
        lines = [line for text in whole if isinstance(line := _json(text), list)]
        return None if is_over and not lines else lines


def _pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as error:
        raise ZygoteError(f"no socket is to be had: {error}") from error


def _json(text: bytes) -> object:
    """Code of scripts may write there too: what is no JSON says nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
