"""What other threads execute now: their stacks, read without danger to them."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import compress
from operator import call
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")


def frames_of_other_threads() -> dict[int, FrameType]:
    """Thread ident -> its innermost frame, without this thread's.

    A frame that gets hold of itself is garbage that keeps its callers' frames, and with them every object
    that they look at, until the next collection.
    """
    frames = undisturbed(sys._current_frames)
    frames.pop(threading.get_ident(), None)
    return frames


def stack(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    """A frame of any thread and its callers, innermost first, each with the line that it is at."""
    while frame is not None:
        yield frame, frame.f_lineno
        frame = undisturbed(partial(getattr, frame, "f_back"))


def _without_collection(work: Callable[[], T]) -> T:
    """Call something written in C with no collection, and so no other thread, in between.

    Python makes a frame's object when it is first asked for. Before 3.12 that allocation may begin a
    collection, a finalizer of which may hand over to the thread whose frame it is; the frame ends, and its
    memory is written to all the same: the interpreter crashes. Turning collections off in Python code would
    not do: between two steps of it other threads run, and would see the host's setting changed. So the steps
    are driven from C, by a ``map`` over them: nothing runs between them.
    """
    enabled: list[bool] = []
    found: list[T] = []
    steps: tuple[Callable[[], object], ...] = (
        partial(enabled.extend, map(call, (gc.isenabled,))),
        gc.disable,
        partial(found.extend, map(call, (work,))),
        partial(list, map(call, compress((gc.enable,), enabled))),
    )
    try:
        list(map(call, steps))
    except BaseException:
        if enabled and enabled[0]:
            gc.enable()
        raise
    return found[0]


undisturbed: Final[Callable[[Callable[[], T]], T]] = _without_collection if sys.version_info < (3, 12) else call
"""From 3.12 on collections begin between two bytecodes only, never in an allocation."""
