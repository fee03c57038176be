"""Who a process is: so that a run's row tells, after a crash and a restart, whether its process still lives."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import psutil


@cache
def identity() -> str:
    """This process as ``PID:START:BOOT``: a pid alone is given to another process sooner or later."""
    return _identity(os.getpid())


def is_alive(identity: str) -> bool:
    """Whether the process with this identity still runs on this machine, since this boot.

    One that has ended and whose parent has not asked how (a zombie) does not.
    """
    pid = identity.partition(":")[0]
    return pid.isdigit() and psutil.pid_exists(int(pid)) and _identity(int(pid)) == identity


def is_of_this_boot(identity: str) -> bool:
    """Whether the process with this identity was started since this machine was."""
    return identity.rpartition(":")[2] == _boot()


def _identity(pid: int) -> str:
    try:
        found = psutil.Process(pid)
        with found.oneshot():
            if found.status() == psutil.STATUS_ZOMBIE:
                return ""
            started = int(found.create_time() * 100)
    except psutil.NoSuchProcess:
        return ""
    return f"{pid}:{started}:{_boot()}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        return str(int(psutil.boot_time()))
