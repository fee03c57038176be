"""What a version wants to be called for later."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from livegraft.suspended import tasks
from livegraft.undo import Leaving, described


def timers(leaving: Leaving) -> None:
    """``threading.Timer`` that has not fired: an old version's timers do not fire."""
    for thread in threading.enumerate():
        if issubclass(type(thread), threading.Timer):
            timer: Any = thread
            if leaving.owns(timer.function) and not timer.finished.is_set():
                timer.cancel()
                leaving.tell(timer.function, f"threading.Timer: {described(timer.function)} cancelled")


def loop_timers(leaving: Leaving) -> None:
    """``loop.call_later`` and ``call_at``, on all loops that have a task."""
    for loop in {id(loop): loop for task in tasks() if (loop := task.get_loop()) is not None}.values():
        for handle in list(getattr(loop, "_scheduled", ())):
            callback = getattr(handle, "_callback", None)
            if type(handle) is asyncio.TimerHandle and leaving.owns(callback):
                leaving.tell(callback, f"loop.call_later: {described(callback)} cancelled")
                loop.call_soon_threadsafe(handle.cancel)
