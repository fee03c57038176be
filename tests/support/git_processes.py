"""The git programs that this process has started and that still run."""

from __future__ import annotations

import psutil


def git_processes() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if child.name() == "git" and child.status() != psutil.STATUS_ZOMBIE]


def kill_git() -> None:
    """Kill them all, as a machine short of memory would."""
    for process in git_processes():
        process.kill()
