"""What a version wants to be called for later."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

from livegraft import hooks
from livegraft.suspended import tasks
from livegraft.undo import Leaving, described


def timers(leaving: Leaving) -> None:
    """``threading.Timer`` that has not fired: an old version's timers do not fire."""
    for thread in threading.enumerate():
        if issubclass(type(thread), threading.Timer):
            timer: Any = thread
            owned = leaving.first_owned((timer.function, *timer.args, *timer.kwargs.values(), timer))
            if owned is not None and not timer.finished.is_set():
                timer.cancel()
                leaving.tell(owned, f"threading.Timer: {described(timer.function)} cancelled")


def loop_timers(leaving: Leaving) -> None:
    """``loop.call_later`` and ``call_at``."""
    for loop in _loops():
        for handle in list(getattr(loop, "_scheduled", ())):
            owned = leaving.first_owned(called := _called(handle))
            if type(handle) is asyncio.TimerHandle and owned is not None:
                leaving.tell(owned, f"loop.call_later: {described(called[0])} cancelled")
                loop.call_soon_threadsafe(handle.cancel)


def loop_files(leaving: Leaving) -> None:
    """``loop.add_reader`` and ``add_writer``; the file itself stays open."""
    for loop in _loops():
        for fd, key in _watched(loop).items():
            for name, handle in _handles(key).items():
                owned = leaving.first_owned(called := _called(handle))
                if owned is not None:
                    text = f"loop.add_{name}: {described(called[0])} removed from descriptor {fd}"
                    leaving.tell(owned, text)
                    loop.call_soon_threadsafe(_stop_watching, loop, fd, name, id(handle))


def loop_signals(leaving: Leaving) -> None:
    """``loop.add_signal_handler``: the signal is as it was before the loop took it."""
    for loop in _loops():
        for number, handle in dict(getattr(loop, "_signal_handlers", {})).items():
            owned = leaving.first_owned(called := _called(handle))
            if owned is not None:
                name = signal.Signals(number).name
                leaving.tell(owned, f"loop.add_signal_handler: {described(called[0])} taken off {name}")
                loop.call_soon_threadsafe(_give_signal_back, loop, number, id(handle))


def _loops() -> list[Any]:
    """The open event loops that have a task."""
    loops = {id(loop): loop for task in tasks() if (loop := task.get_loop()) is not None}
    return [loop for loop in loops.values() if not loop.is_closed()]


def _called(handle: Any) -> tuple[Any, ...]:
    """What a handle of a loop calls, and with what; both are None once it is cancelled."""
    return (getattr(handle, "_callback", None), *(getattr(handle, "_args", None) or ()))


def _watched(loop: Any) -> dict[int, Any]:
    """Descriptor -> key of a selector; copied in one step, because the loop's thread changes it."""
    return dict(getattr(getattr(loop, "_selector", None), "_fd_to_key", {}))


def _handles(key: Any) -> dict[str, Any]:
    data = getattr(key, "data", None)
    return dict(zip(("reader", "writer"), data, strict=False)) if type(data) is tuple else {}


# These are called by the loop, later: they name handles by id, so that nothing of the version waits in its queue.


def _stop_watching(loop: Any, fd: int, name: str, handle_id: int) -> None:
    if id(_handles(_watched(loop).get(fd)).get(name)) == handle_id:
        getattr(loop, f"remove_{name}")(fd)


def _give_signal_back(loop: Any, number: int, handle_id: int) -> None:
    if id(loop._signal_handlers.get(number)) == handle_id:
        loop.remove_signal_handler(number)
        hooks.restore_signal(number, signal.getsignal(number))
