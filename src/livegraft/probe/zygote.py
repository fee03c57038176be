"""The zygote: a clean process that forks children, for probes and for isolated runs. It does for one of both.

It has one thread from its beginning to its end, so that forking it is safe. It imports packages that live scripts
use, when it is told their names, so that its children have them. It alone ends its children, reaps them and tells how
they ended; it ends with its host.

It is told lines of JSON on the socket that is its standard input:

* ``["fork", n]`` with two sockets and n further descriptors: the first is the child's, whose language is that of the
  module whose ``serve`` it calls; it gets the further ones too. On the second the zygote is told ``abort`` (leave a
  stack and end), ``term`` or ``kill``, or ``most N``: so many processes may it and all that it starts be. If they are
  more the zygote says ``["too many", how many]`` and kills them. At the end it says ``["ended", exit code, stack]``;
  closing the second socket kills. ``["failed", reason]`` says that there is no child.
* ``["preload", [module, ...]]``.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

STACK_BYTES: Final = 64 * 1024
HOST_LOOK_SECONDS: Final = 5.0
"""How often the zygote looks whether its host lives, beside noticing that its socket closes: a process that the host
forked may hold that open."""

COUNT_SECONDS: Final = 0.1
"""How often the processes of a child are counted that may not be many."""

_DESCRIPTORS_AT_ONCE: Final = 16
_ROUNDS: Final = 200
"""Looks at most for processes that others start while they are being ended."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_LIKELY_VICTIM: Final = "1000"


@dataclass(frozen=True, slots=True)
class Settings:
    """``folder`` takes the sources; a child may use ``memory_bytes`` beyond what the zygote has."""

    folder: str
    memory_bytes: int


class Serve(Protocol):
    """What a child does: it speaks with the host on ``channel``, until that is closed, and leaves its stack in
    ``stack`` when it dies."""

    def __call__(self, channel: socket.socket, stack: int, settings: Settings, more: list[int]) -> None: ...


def thread_count() -> int:
    """Threads of this process, those that no Python code started too where the kernel tells."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


@dataclass(slots=True)
class _Child:
    """A child: ``status`` leads to the host, ``stack`` is the pipe in which it leaves its stack when it dies.

    ``most`` bounds how many processes it and all that it starts may be; 0 for no bound.
    """

    pid: int
    status: socket.socket
    stack: int
    most: int = 0


def main(settings: dict[str, Any]) -> None:
    """Serve the host on the socket that is standard input, until it closes."""
    sys.argv = ["livegraft-probe"]
    control = socket.socket(fileno=os.dup(0))
    serve: Serve = importlib.import_module(settings.pop("language")).serve  # if it fails the host reads why
    # From here on nothing that is printed, read or logged reaches the host.
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.suppress(OSError):  # should memory run out, these processes go before all others
        Path("/proc/self/oom_score_adj").write_text(_LIKELY_VICTIM, encoding="ascii")
    gc.freeze()
    try:
        _Zygote(control, serve, Settings(**settings)).serve()
    finally:
        os._exit(0)  # what was preloaded has nothing to say at its end


class _Zygote:
    def __init__(self, control: socket.socket, serve: Serve, settings: Settings) -> None:
        self._control = control
        self._serve = serve
        self._settings = settings
        self._host = os.getppid()
        self._told = bytearray()
        self._given: deque[int] = deque()
        self._children: dict[int, _Child] = {}
        self._poller = select.poll()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._poller.register(self._control, select.POLLIN)
        self._poller.register(self._woken, select.POLLIN)

    def serve(self) -> None:
        try:
            while os.getppid() == self._host:
                bounded = [child for child in self._children.values() if child.most]
                pause = COUNT_SECONDS if bounded else HOST_LOOK_SECONDS
                ready = {descriptor for descriptor, _ in self._poller.poll(pause * 1000)}
                for child in bounded:
                    self._count(child)
                if self._woken.fileno() in ready:
                    self._reap()
                # The host lets go of a child before it asks for the next one: in this order no two are here without
                # need, and what the first one left behind is told from the second one.
                for descriptor in ready & self._children.keys():
                    if descriptor in self._children:  # else it ended meanwhile
                        self._listen(self._children[descriptor])
                if self._control.fileno() in ready and not self._obey():
                    return
        finally:
            _end_trees({child.pid for child in self._children.values()})
            for child in self._children.values():
                os.waitpid(child.pid, 0)
            _end_strays(())

    # -- the host's orders -----------------------------------------------------------------

    def _obey(self) -> bool:
        """Do what the host asks; False when it is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, STACK_BYTES, _DESCRIPTORS_AT_ONCE)
        except ConnectionError:
            return False
        self._given.extend(descriptors)
        self._told += data
        *lines, rest = self._told.split(b"\n")
        self._told = rest
        for line in lines:
            match json.loads(line):
                case ["fork", count]:
                    channel, status = self._given.popleft(), self._given.popleft()
                    self._fork(channel, status, [self._given.popleft() for _ in range(count)])
                case ["preload", names]:
                    _preload(names)
        return bool(data)

    def _fork(self, channel: int, status: int, more: list[int]) -> None:
        speaking = socket.socket(fileno=status)
        speaking.setblocking(False)
        stack, stack_end = os.pipe()
        # A stack that nobody has room for is cut; it must keep nobody waiting.
        os.set_blocking(stack, False)
        os.set_blocking(stack_end, False)
        try:
            pid = os.fork()
        except OSError as error:
            _say(speaking, ["failed", str(error)])
            os.close(stack)
            speaking.close()
        else:
            if pid == 0:
                self._become_child(channel, speaking, stack, stack_end, more)
            self._children[status] = _Child(pid, speaking, stack)
            self._poller.register(status, select.POLLIN)
        for given in (channel, stack_end, *more):
            os.close(given)

    def _become_child(
        self, channel: int, status: socket.socket, stack: int, stack_end: int, more: list[int]
    ) -> NoReturn:
        try:
            zygote = os.getppid()
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._control, self._woken, self._waker, status, *(c.status for c in self._children.values())):
                end.close()
            for descriptor in (stack, *(child.stack for child in self._children.values())):
                os.close(descriptor)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            # What it starts in sessions of its own comes back to it, and to the zygote when it has ended: so the
            # zygote knows whose that was.
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
            if os.getppid() == zygote:
                self._serve(socket.socket(fileno=channel), stack_end, self._settings, more)
        finally:
            os._exit(0)

    # -- children and their ends -----------------------------------------------------------

    def _listen(self, child: _Child) -> None:
        """What the host wants of a child; that it does not ask any more means that it wants it gone."""
        try:
            asked = child.status.recv(STACK_BYTES)
        except ConnectionError:
            asked = b""
        last = asked.split(b"\n")[-2] if b"\n" in asked else b""
        match last.split():
            case [b"abort"]:
                _signal(child.pid, signal.SIGABRT)
            case [b"term"]:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)
            case [b"most", count]:
                child.most = int(count)
            case _:
                self._poller.unregister(child.status)
                _end_trees({child.pid})
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
                self._reap()

    def _count(self, child: _Child) -> None:
        """End a child that has become too many."""
        count = len(_tree({child.pid}))
        if count > child.most:
            child.most = 0
            _say(child.status, ["too many", count])
            _end_trees({child.pid})

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(STACK_BYTES):
                pass
        for descriptor, child in list(self._children.items()):
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # While the leader is not reaped nobody else can have its number: now the rest of its group goes.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
            _end_strays({other.pid for other in self._children.values() if other is not child})
            _say(child.status, ["ended", os.waitstatus_to_exitcode(status), _read(child.stack)])
            del self._children[descriptor]
            with contextlib.suppress(KeyError):
                self._poller.unregister(child.status)
            child.status.close()
            os.close(child.stack)


def _say(status: socket.socket, line: list[object]) -> None:
    with contextlib.suppress(OSError):
        status.send(json.dumps(line).encode() + b"\n")


def _read(stack: int) -> str:
    try:
        return os.read(stack, STACK_BYTES).decode("utf-8", "replace")
    except BlockingIOError:  # it left none, and a process that it started holds the other end
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _end_trees(roots: Collection[int]) -> None:
    """Kill children of ours that are not reaped yet, and all that they started, in whatever session.

    All are stopped before the first is killed: what is stopped starts no other, so there is an end to it even if
    they start processes faster than one can look.
    """
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        new = _tree(roots) - stopped
        if not new:
            break
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def _end_strays(children: Collection[int]) -> None:
    """End processes that a child left behind in sessions of their own: the kernel has made them ours.

    ``children`` are those of ours that live and are none.
    """
    for _ in range(_ROUNDS):
        strays = {pid for pid in _own_children() if pid not in children}
        if not strays:
            return
        _end_trees(strays)
        for pid in strays:
            with contextlib.suppress(OSError):
                os.waitpid(pid, 0)


def _tree(roots: Collection[int]) -> set[int]:
    """Processes and all that they started and that has not ended, as far as it did not become somebody else's."""
    found: set[int] = set()
    to_look_at = list(roots)
    while to_look_at:
        pid = to_look_at.pop()
        if pid not in found:
            found.add(pid)
            to_look_at += _children_of(pid)
    return found


def _children_of(pid: int) -> list[int]:
    """The children of a process, whichever of its threads started them."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            listed = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii")
            found += map(int, listed.split())
    return found


def _own_children() -> list[int]:
    me = os.getpid()
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{me}/children").read_text(encoding="ascii").split()]
    except OSError:  # a kernel that does not list them
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1] == str(me):
                    found.append(int(stat.parent.name))
        return found


def _preload(names: list[str]) -> None:
    """Import what children imported without harm; a name that fails alone is nobody's loss."""
    for name in names:
        with contextlib.suppress(BaseException):
            importlib.import_module(name)
    if thread_count() > 1:
        # A process with several threads cannot be forked in safety: the host starts another one, without these.
        os._exit(1)
    gc.collect()
    gc.freeze()


def _prctl(option: int, value: int) -> None:
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(option, ctypes.c_ulong(value), 0, 0, 0)
