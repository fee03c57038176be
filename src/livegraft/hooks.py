"""What the host has in the places of the process that hold one function: hooks, signal handlers.

livegraft looks at them whenever a release is made, and remembers what is the host's own: that is put back when a
version leaves that set one of these for itself. What belongs to a version is never remembered.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import logging
import signal
import sys
import threading
import types
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from livegraft.live import PREFIX

_PLACES: Final[dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]] = {
    "sys.excepthook": (lambda: sys.excepthook, functools.partial(setattr, sys, "excepthook")),
    "sys.unraisablehook": (lambda: sys.unraisablehook, functools.partial(setattr, sys, "unraisablehook")),
    "sys.displayhook": (lambda: sys.displayhook, functools.partial(setattr, sys, "displayhook")),
    "sys.breakpointhook": (lambda: sys.breakpointhook, functools.partial(setattr, sys, "breakpointhook")),
    "threading.excepthook": (lambda: threading.excepthook, functools.partial(setattr, threading, "excepthook")),
    "threading.settrace": (threading.gettrace, threading.settrace),
    "threading.setprofile": (threading.getprofile, threading.setprofile),
    "warnings.showwarning": (lambda: warnings.showwarning, functools.partial(setattr, warnings, "showwarning")),
    "warnings.formatwarning": (lambda: warnings.formatwarning, functools.partial(setattr, warnings, "formatwarning")),
    "logging.setLogRecordFactory": (logging.getLogRecordFactory, logging.setLogRecordFactory),
    "logging.setLoggerClass": (logging.getLoggerClass, logging.setLoggerClass),
}
NAMES: Final = tuple(_PLACES)

BUILTINS: Final = dict(vars(builtins))
"""The names of ``builtins`` when livegraft was imported."""

_host: dict[str, Any] = {name: get() for name, (get, _) in _PLACES.items()}
_host_signals: dict[int, Any] = {}
_works: Final[deque[Callable[[], None]]] = deque()
"""What the main thread shall do."""


def remember() -> None:
    """Look at all places, and keep what is not of a version."""
    for name, (get, _) in _PLACES.items():
        found = get()
        if not _is_of_a_version(found):
            _host[name] = found
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if not _is_of_a_version(handler) and not _is_of_a_loop(handler):
            _host_signals[number] = handler


def value(name: str) -> Any:
    """What stands in a place now."""
    return _PLACES[name][0]()


def restore(name: str) -> None:
    """Put back what the host had in a place."""
    _PLACES[name][1](_host[name])


def restore_of_versions(*names: str) -> bool:
    """Put back what the host had in those of these places that a version took; whether there was one."""
    taken = [name for name in names if _is_of_a_version(value(name))]
    for name in taken:
        restore(name)
    return bool(taken)


def restore_signal(number: int, taken: object) -> None:
    """Put back the host's handler of a signal if ``taken`` is still there.

    Only the main thread may set one: asked from another, it does so between two steps of its own.
    """
    taken_id = id(taken)  # the handler itself must not wait in a queue: that would hold its version

    def set_back() -> None:
        if id(signal.getsignal(number)) == taken_id:
            before = _host_signals.get(number)
            signal.signal(number, signal.SIG_DFL if before is None else before)

    if threading.current_thread() is threading.main_thread():
        set_back()
    else:
        _works.append(set_back)
        ctypes.pythonapi.Py_AddPendingCall(_DO_WORKS, None)


def _do_works(_: int | None) -> int:
    while _works:
        _works.popleft()()
    return 0


_DO_WORKS: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_do_works)
"""It lives as long as the process: C may call it at any time."""


def _is_of_a_loop(handler: Any) -> bool:
    """Whether it stands for a function given to ``loop.add_signal_handler``, which may be a version's."""
    return getattr(handler, "__module__", None) == "asyncio.unix_events"


def _is_of_a_version(item: Any) -> bool:
    for _ in range(10):
        kind = type(item)
        if kind is types.MethodType:
            item = item.__self__
        elif kind is functools.partial:
            if any(map(_is_of_a_version, (*item.args, *item.keywords.values()))):
                return True
            item = item.func
        else:
            name = item.__module__ if kind is types.FunctionType or issubclass(kind, type) else kind.__module__
            return isinstance(name, str) and name.startswith(PREFIX)
    return False
