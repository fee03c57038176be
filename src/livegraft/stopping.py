"""Asking code of a version to stop: its tasks, and the threads that it started itself."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from livegraft.raising import raise_in
from livegraft.suspended import frames_of_task, tasks


class VersionStoppedError(SystemExit):
    """Raised in a thread that code of a superseded version started. ``threading`` prints it, with where it was.

    The interpreter makes it of its class alone, so it says nothing about which version.
    """

    def __init__(self) -> None:
        super().__init__("livegraft ended this thread: the version of the script that started it was superseded")


def stop_tasks(is_ours: Callable[[str], bool]) -> list[str]:
    """Cancel the tasks that stand in code of a module that is ours, on the loops that they are of; their names."""
    stopped = []
    for task in tasks():
        if any(is_ours(frame.f_globals.get("__name__", "")) for frame in frames_of_task(task)):
            with contextlib.suppress(RuntimeError):  # its loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)
                stopped.append(f"task {task.get_name()}")
    return stopped


def stop_threads(is_ours: Callable[[str], bool]) -> list[str]:
    """Raise VersionStoppedError in the threads whose target is code of a module that is ours; their names.

    It strikes at the thread's next bytecode: one that waits in C is not woken. A thread of the host that is in the
    version's code is not touched.
    """
    stopped = []
    for thread in threading.enumerate():
        if thread.ident is not None and is_ours(_module_of(thread)) and raise_in(thread.ident, VersionStoppedError):
            stopped.append(f"thread {thread.name}")
    return stopped


def _module_of(thread: Any) -> str:
    """The module of what a thread executes: of its target, or of its class."""
    target: Any = getattr(thread, "_target", None)
    target = getattr(target, "__func__", getattr(target, "func", target))
    name = getattr(target, "__globals__", {}).get("__name__", type(thread).__module__)
    return name if isinstance(name, str) else ""
