"""Who a process is: so that a run's row tells, after a crash and a restart, whether its process still lives."""

from __future__ import annotations

import itertools
import os
import socket
from functools import cache
from pathlib import Path
from typing import Final

import psutil

_FIRST_NAMESPACE: Final = 4026531836
"""The kernel's number of the namespace of pids that is no container's."""

_numbers = itertools.count(1)
_taken: set[str] = set()


def identity() -> str:
    """This process as ``PID:START:MACHINE``: a pid alone is given to another process sooner or later."""
    return _identity_of_mine(os.getpid())


def take_identity() -> str:
    """An identity for one supervisor in this process: ``PID:START:MACHINE:NUMBER``, alive until given up."""
    taken = f"{identity()}:{next(_numbers)}"
    _taken.add(taken)
    return taken


def give_up_identity(identity: str) -> None:
    """Who took this identity lives no more."""
    _taken.discard(identity)


def is_alive(identity: str) -> bool:
    """Whether who has this identity still runs on this machine, since this boot.

    A process that has ended and whose parent has not asked how (a zombie) does not.
    """
    pid = pid_of(identity)
    known = _without_number(identity)
    if pid == os.getpid() and known != identity:
        return identity in _taken
    return bool(pid) and psutil.pid_exists(pid) and _identity(pid) == known


def is_of_this_machine(identity: str) -> bool:
    """Whether its process was started on this machine since that was, so that ``is_alive`` can tell of it.

    A container is a machine of its own here: its pids mean nothing outside.
    """
    return _without_number(identity).rpartition(":")[2] == _machine()


def is_of_this_boot(identity: str) -> bool:
    """Whether its process was started on this machine, or in a container of it, since that was."""
    return _without_number(identity).rpartition(":")[2].partition(".")[0] == _machine().partition(".")[0]


def pid_of(identity: str) -> int:
    """The process's number; 0 for what is no identity."""
    pid = identity.partition(":")[0]
    return int(pid) if pid.isdecimal() else 0


def host_name() -> str:
    """What this machine is called."""
    return socket.gethostname()


def _without_number(identity: str) -> str:
    return ":".join(identity.split(":")[:3])


@cache
def _identity_of_mine(pid: int) -> str:
    """Kept by pid: a fork is another process."""
    return _identity(pid)


def _identity(pid: int) -> str:
    try:
        found = psutil.Process(pid)
        with found.oneshot():
            if found.status() == psutil.STATUS_ZOMBIE:
                return ""
            started = int(found.create_time() * 100)
    except psutil.NoSuchProcess:
        return ""
    return f"{pid}:{started}:{_machine()}"


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return str(int(psutil.boot_time()))
    return boot if namespace == _FIRST_NAMESPACE else f"{boot}.{namespace:x}"
