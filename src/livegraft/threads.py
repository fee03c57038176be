"""The threads of the process and the tasks of its event loops: what they execute, for people to look at."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

from livegraft.frames import frames_of_other_threads, stack
from livegraft.runner.failure import Locate
from livegraft.suspended import frames_of_task, tasks

MOST_FRAMES: Final = 60
MOST_TASKS: Final = 200


@dataclass(frozen=True, slots=True)
class ThreadStatus:
    """A thread with its stack as text, innermost call last; ``revision`` is that of the script it executes, or ""."""

    name: str
    ident: int
    is_daemon: bool
    revision: str
    stack: str


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """An event loop that has tasks: its class, how many wait or execute, and the stacks of the first ``MOST_TASKS``."""

    kind: str
    task_count: int
    stacks: Sequence[str]


def threads(locate: Locate) -> Sequence[ThreadStatus]:
    """Every thread but the one that asks: those that execute code of scripts first, then by name.

    Stacks tell files, lines and functions; no values and no source.
    """
    known = {thread.ident: thread for thread in threading.enumerate()}
    found = []
    for ident, innermost in frames_of_other_threads().items():
        thread = known.get(ident)
        revision, text = _told([*stack(innermost)][:MOST_FRAMES][::-1], locate)
        name = thread.name if thread is not None else "not made by Python"
        found.append(ThreadStatus(name, ident, thread is not None and thread.daemon, revision, text))
    return sorted(found, key=lambda each: (not each.revision, each.name, each.ident))


def loops(locate: Locate) -> Sequence[LoopStatus]:
    """Every asyncio event loop that has tasks, in any thread."""
    if "asyncio" not in sys.modules:
        return ()
    by_loop: dict[int, tuple[str, list[str]]] = {}
    counts: dict[int, int] = {}
    for task in tasks():
        loop = task.get_loop()
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        _, stacks = by_loop.setdefault(id(loop), (kind, []))
        counts[id(loop)] = counts.get(id(loop), 0) + 1
        if len(stacks) < MOST_TASKS:
            frames = [(frame, frame.f_lineno) for frame in frames_of_task(task, steps=True)][:MOST_FRAMES]
            stacks.append(_told(frames, locate)[1])
    return [LoopStatus(kind, counts[identity], stacks) for identity, (kind, stacks) in by_loop.items()]


def _told(frames: Iterable[tuple[FrameType, int]], locate: Locate) -> tuple[str, str]:
    """The short revision of the innermost code of a script, and a stack as text; outermost call first."""
    shown, innermost = [], ""
    for frame, line in frames:
        path, revision = locate(frame.f_code.co_filename) or (frame.f_code.co_filename, "")
        innermost = revision or innermost
        of = f" ({revision})" if revision else ""
        shown.append(f'  File "{path}"{of}, line {line}, in {frame.f_code.co_name}\n')
    return innermost, "".join(shown)
