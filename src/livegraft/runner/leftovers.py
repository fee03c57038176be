"""What a run leaves behind when it has ended: threads, processes and open files, in words."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from livegraft.context import CurrentRun

_DESCRIPTORS: Final = "/proc/self/fd"
_CHILDREN: Final = "/proc/thread-self/children"
_MOST_DESCRIPTORS: Final = 1_000
"""More new ones are not looked at: that takes milliseconds."""

_MOMENT_SECONDS: Final = 0.002
_DELETED: Final = " (deleted)"
"""So the kernel names what has no name any more: temporary files, of which nobody can tell whose they are."""

_SHOWN: Final = 5
_own_folders: Final[set[str]] = set()


def exempt(folder: Path) -> None:
    """Files in there are livegraft's own: the store opens connections while runs are going."""
    _own_folders.add(f"{folder}{os.sep}")


def children() -> frozenset[int]:
    """The processes that this thread started and that nobody waited for; none where the kernel does not tell."""
    try:
        descriptor = os.open(_CHILDREN, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return frozenset()
    try:
        return frozenset(map(int, os.read(descriptor, 1 << 16).split()))
    finally:
        os.close(descriptor)


def descriptors() -> frozenset[int]:
    """What this process has open; none where the kernel does not tell."""
    try:
        found = frozenset(map(int, os.listdir(_DESCRIPTORS)))
        # The list itself was open while it was read, with the number that whatever is opened next will have.
        next_one = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return frozenset()
    os.close(next_one)
    return found - {next_one}


def told_of(run: CurrentRun, before: frozenset[int], tasks: Sequence[str]) -> list[str]:
    """Threads and processes of a run that has ended in this thread, and tasks that had to be cancelled."""
    threads = [thread.name for thread in run.threads if thread.is_alive()]
    processes = [name for pid in children() - before if (name := _process(pid))]
    return [
        *_counted("thread", "threads", threads),
        *_counted("process", "processes", processes),
        *_counted("task, which was cancelled", "tasks, which were cancelled", tasks),
    ]


def told_of_files(before: frozenset[int]) -> list[str]:
    """Files that are open and were not; devices, sockets and what is livegraft's own are no files."""
    new = descriptors() - before if before else ()
    if new and _paths(new):
        # The host goes on beside the run: what it opens is closed again a moment later.
        time.sleep(_MOMENT_SECONDS)
        return _counted("open file", "open files", _paths(descriptors() - before))
    return []


def _paths(descriptors: Collection[int]) -> list[str]:
    found = set()
    for descriptor in sorted(descriptors)[:_MOST_DESCRIPTORS]:
        with contextlib.suppress(OSError):  # it was closed meanwhile
            found.add(os.readlink(f"{_DESCRIPTORS}/{descriptor}"))
    return sorted(path for path in found if path.startswith("/") and not _is_passed_over(path))


def _counted(one: str, many: str, names: Sequence[str]) -> list[str]:
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return [f"{len(names)} {one if len(names) == 1 else many}: {shown}"] if names else []


def _process(pid: int) -> str:
    """A process in a word; empty when it has ended and only waits to be asked how."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] == "Z" else f"{name} ({pid})"


def _is_passed_over(path: str) -> bool:
    return path.startswith(("/dev/", "/proc/", *_own_folders)) or path.endswith(_DELETED)
