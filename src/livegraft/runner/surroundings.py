"""What a script can change for everyone in its process: one table of how it is read, told and put back.

Put back is what no library changes in good faith when it is imported, and what the host is unlikely to change
just while a run is going. The rest is told and left: a library that sets a variable when it is imported would not do
it again.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import locale
import logging
import operator
import os
import resource
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from livegraft.runner.capture import capture

_STATUS: Final = "/proc/self/status"
_LIMITS: Final = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGPROF")


class _Unreadable:
    """In the place of a value that could not be read."""


_UNREADABLE: Final = _Unreadable()


def _changed(before: Any, now: Any) -> str:
    return f" (now {now!r}, was {before!r})"


def _told_by_name(before: Any, now: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class Aspect:
    """One thing of the process.

    ``read`` gives a value that later changes do not touch. ``detail`` says what is different; a value that may be a
    secret is not told. ``put_back`` makes it as it was; without one it is left as it is. When ``is_slow`` it is read
    only when no run is going. ``is_urgent`` ones are put back as soon as the run that changed them has ended,
    whether others are going or not.
    """

    name: str
    read: Callable[[], Any]
    put_back: Callable[[Any], object] | None = None
    detail: Callable[[Any, Any], str] = _changed
    is_same: Callable[[Any, Any], bool] = lambda before, now: before == now
    is_slow: bool = False
    is_urgent: bool = False

    def look(self) -> Any:
        try:
            return self.read()
        except Exception:  # noqa: BLE001 - a script may have left anything in its place
            return _UNREADABLE

    def differs(self, before: Any, now: Any) -> bool:
        if before is _UNREADABLE or now is _UNREADABLE:
            return before is not now
        return not self.is_same(before, now)

    def told(self, before: Any, now: Any) -> str:
        """The change in words."""
        is_readable = before is not _UNREADABLE and now is not _UNREADABLE
        detail = self.detail(before, now) if is_readable else " (it cannot be read)"
        return f"{self.name}{detail}{'' if self.put_back else '; this is left as it is'}"

    def restore(self, before: Any) -> None:
        if self.put_back is not None and before is not _UNREADABLE:
            # A folder that is gone cannot be gone back to, a hard limit cannot be raised by everyone.
            with contextlib.suppress(Exception):
                self.put_back(before)


def _identical(before: Sequence[object], now: Sequence[object]) -> bool:
    """Compares without calling code of scripts, which may be behind any ``==``."""
    return len(before) == len(now) and all(one is other for one, other in zip(before, now, strict=True))


_all, _map, _is = all, map, operator.is_
"""By other names: a built-in name may be what changed."""


def _same_names(before: Mapping[Any, object], now: Mapping[Any, object]) -> bool:
    if before.keys() != now.keys():
        return False
    if _all(_map(_is, before.values(), now.values())):
        return True
    for name, value in before.items():  # noqa: SIM110 - a name that went and came again is in another place
        if now[name] is not value:
            return False
    return True


def _names(before: Mapping[Any, object], now: Mapping[Any, object]) -> str:
    changed = {name for name in (*before, *now) if before.get(name) != now.get(name)}
    shown = sorted(os.fsdecode(name) for name in changed)
    return f" {', '.join(shown[:10])}{' ...' if len(shown) > 10 else ''}"


def _entries(before: Sequence[str], now: Sequence[str]) -> str:
    added, gone = [each for each in now if each not in before], [each for each in before if each not in now]
    parts = [f"added {', '.join(added[:5])}"] * bool(added) + [f"removed {', '.join(gone[:5])}"] * bool(gone)
    return f" ({'; '.join(parts) or 'in another order'})"


def _stream(name: str) -> Aspect:
    return Aspect(
        f"sys.{name}",
        lambda: getattr(sys, name),
        lambda before: setattr(sys, name, before),
        detail=_told_by_name,
        is_same=lambda before, now: before is now,
    )


def _umask() -> int:
    """Read from the kernel: asking with ``os.umask`` would change it for a moment, for all threads."""
    descriptor = os.open(_STATUS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.read(descriptor, 256)
    finally:
        os.close(descriptor)
    return int(status.partition(b"Umask:")[2].split(maxsplit=1)[0], 8)


def _environment() -> dict[bytes, bytes]:
    # The bytes below it: to decode forty variables takes longer than all the rest.
    return dict(vars(os.environ)["_data"])


def _builtins() -> dict[str, object]:
    return {**builtins.__dict__, "_": None}  # that one is set by every interactive prompt


def _put_back_builtins(before: Mapping[str, object]) -> None:
    for name, value in before.items():
        if name != "_" and builtins.__dict__.get(name) is not value:
            builtins.__dict__[name] = value


def _hooks() -> tuple[Any, Any, Any]:
    return sys.excepthook, threading.excepthook, sys.unraisablehook


def _put_back_hooks(before: tuple[Any, Any, Any]) -> None:
    sys.excepthook, threading.excepthook, sys.unraisablehook = before


def _log_levels() -> tuple[int, int]:
    return logging.root.level, logging.root.manager.disable


def _put_back_log_levels(before: tuple[int, int]) -> None:
    level, disabled = before
    logging.root.setLevel(level)
    logging.disable(disabled)


def _limits() -> dict[str, tuple[int, int]]:
    return {name: resource.getrlimit(number) for name, number in _LIMITS.items()}


def _put_back_limits(before: Mapping[str, tuple[int, int]]) -> None:
    for name, limits in before.items():
        if resource.getrlimit(_LIMITS[name]) != limits:
            resource.setrlimit(_LIMITS[name], limits)


def _import_path() -> tuple[str, ...]:
    return tuple(each if type(each) is str else f"<{type(each).__name__}>" for each in sys.path)


ASPECTS: Final = (
    # First and at once: whatever comes after it uses them.
    Aspect("built-in names:", _builtins, _put_back_builtins, _names, _same_names, is_urgent=True),
    Aspect("the working directory", os.getcwd, os.chdir),
    Aspect("the umask", _umask, os.umask, lambda was, now: f" (now {now:03o}, was {was:03o})", is_slow=True),
    _stream("stdin"),
    _stream("stdout"),
    _stream("stderr"),
    Aspect(
        # Without a handler of the host it ends the process, at a time that no run may choose.
        "the alarm clock of the process",
        lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0,
        lambda was_set: None if was_set else signal.setitimer(signal.ITIMER_REAL, 0),
        lambda was, now: " (set)" if now else " (stopped)",
        is_urgent=True,
    ),
    Aspect("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda was: locale.setlocale(locale.LC_ALL, was)),
    Aspect("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Aspect("the switch interval of threads", sys.getswitchinterval, sys.setswitchinterval),
    Aspect("the default timeout of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Aspect("a hook for exceptions that nobody catches", _hooks, _put_back_hooks, _told_by_name, _identical),
    Aspect("the level of the root logger or of all loggers", _log_levels, _put_back_log_levels),
    Aspect("resource limits of the process:", _limits, _put_back_limits, _names, is_slow=True),
    Aspect("environment variables:", _environment, detail=_names),
    Aspect("sys.path", _import_path, detail=_entries),
    Aspect("the warnings filters", lambda: tuple(warnings.filters), None, _told_by_name, _identical),
    Aspect("the handlers of the root logger", capture.handlers_of_host, None, _told_by_name, _identical),
    Aspect(
        "handlers of signals:",
        lambda: {name: signal.getsignal(getattr(signal, name)) for name in _SIGNALS},
        detail=_names,
        is_same=_same_names,
        is_slow=True,
    ),
    Aspect("the settings of the garbage collector", lambda: (gc.isenabled(), gc.get_threshold())),
)

Values = Mapping[Aspect, Any]


def look(*, at_slow: bool) -> Values:
    """How the process is now."""
    return {aspect: aspect.look() for aspect in ASPECTS if at_slow or not aspect.is_slow}
