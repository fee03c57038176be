"""Code that waits to go on: suspended generators, coroutines and the tasks that drive them."""

from __future__ import annotations

import gc
import inspect
import sys
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

from livegraft.frames import undisturbed

_PREFIXES: Final[dict[type, str]] = {
    types.GeneratorType: "gi",
    types.CoroutineType: "cr",
    types.AsyncGeneratorType: "ag",
}
SUSPENDED: Final = tuple(_PREFIXES)
"""What goes on later where it stopped."""

_RESUMES: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_LONGEST_CHAIN: Final = 100


def tasks() -> Iterator[Any]:
    """The asyncio tasks of all loops of the process that are not done.

    ``asyncio.all_tasks`` knows those of one loop only. The sets behind it are copied in one step each, because
    the threads of their loops change them.
    """
    asyncio: Any = sys.modules.get("asyncio.tasks")
    for name in ("_all_tasks", "_scheduled_tasks"):
        for reference in list(getattr(getattr(asyncio, name, None), "data", ())):
            task = reference()
            if task is not None and not task.done():
                yield task
    yield from (task for task in list(getattr(asyncio, "_eager_tasks", ())) if not task.done())


def frames_of_task(task: Any, *, steps: bool = False) -> Iterator[FrameType]:
    """The suspended frames of a task, outermost first: of its coroutine, of what that awaits, and so on.

    A task that executes at this moment shows among the frames of its thread. With ``steps`` what a wrapper
    of ours sends its steps to follows too: that is its ``driven``.
    """
    waiting = task.get_coro()
    for _ in range(_LONGEST_CHAIN):
        if steps:
            waiting = getattr(waiting, "driven", waiting)
        frame = frame_of(waiting)
        if frame is None:
            return
        yield frame
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)


def frame_of(item: object) -> FrameType | None:
    """Where a generator or coroutine stands; None when it has ended, or is something else."""
    prefix = _PREFIXES.get(type(item))
    frame = undisturbed(partial(getattr, item, f"{prefix}_frame", None)) if prefix else None
    return frame if isinstance(frame, FrameType) else None


def code_that_has_ended(item: object) -> CodeType | None:
    """The code that a kept frame, generator, coroutine or task executed to its end; None for one that may go on."""
    asyncio: Any = sys.modules.get("asyncio.tasks")
    if asyncio is not None and isinstance(item, asyncio.Task):
        item = item.get_coro() if item.done() else None
    if type(item) is FrameType:
        # Only a frame that neither executes nor is a generator's tells the collector of its code.
        return item.f_code if any(each is item.f_code for each in gc.get_referents(item)) else None
    prefix = _PREFIXES.get(type(item))
    if prefix is None or frame_of(item) is not None:
        return None
    code = getattr(item, f"{prefix}_code", None)
    return code if isinstance(code, CodeType) else None


def suspended_code(functions: Iterable[FunctionType], ended: Mapping[int, int] | None = None) -> list[CodeType]:
    """The code of generator and coroutine functions among these, or inside of them, that was begun and did not end.

    Told by the references to their code objects: each is referred to by its functions, by the code around it, and by
    each frame that executes it or stands still in it. What has ended and is still kept refers to it as well: ``ended``
    is how many of such are known, by the id of the code. (Others count too: better to call a version in use that is
    not than the reverse.)
    """
    explained: Counter[int] = Counter(ended)
    codes: dict[int, CodeType] = {}
    pending = []
    for function in functions:
        explained[id(function.__code__)] += 1
        pending.append(function.__code__)
    while pending:
        code = pending.pop()
        if id(code) not in codes:
            codes[id(code)] = code
            inner = [each for each in code.co_consts if type(each) is CodeType]
            explained.update(map(id, inner))
            pending += inner
            del inner
    code = compile("", "", "exec")  # so that this name counts for none of them
    counts = dict(zip(codes, map(sys.getrefcount, codes.values()), strict=True))
    return [
        codes[identity]
        for identity, count in counts.items()
        if codes[identity].co_flags & _RESUMES and count - _OWN_REFERENCES > explained[identity]
    ]


_OWN_REFERENCES: Final = 2
"""References of the look itself to a code object: the table, and the argument of the counting function."""
