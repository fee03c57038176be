"""What the code of a run reaches of its run: whether it is asked to stop, and telling how far it is.

Scripts import :func:`cancelled`, :func:`progress`, :func:`slot_at` and :func:`artifacts` from ``livegraft``. They do no
harm outside a run, so that the same code may be called by the host on its own path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final, Protocol, TypeVar, overload
from weakref import WeakSet

from livegraft.bars import Bars, Progress

T = TypeVar("T")


class Output(Protocol):
    """Port: where the output of a run goes. Called from any thread."""

    def write(self, data: str | bytes, level: str = "out") -> None:
        """Take text or bytes that were written to ``out`` or ``err``, or logged at a level; never blocks or raises."""


class CurrentRun:
    """One run as seen from inside.

    ``folder`` is where it may put files for people; None when there is no place for them. ``slot_at`` is the due time
    that it is for.

    ``is_open`` is set to False when the run has ended; threads that it left behind write to the
    host's own streams from then on. It holds nothing of the version, because contexts that outlive
    the run keep it. ``threads`` are those that it started.
    """

    __slots__ = ("__weakref__", "bars", "cancel_requested", "folder", "id", "is_open", "output", "slot_at", "threads")

    def __init__(self, id: str, output: Output, folder: Path | None = None, slot_at: datetime | None = None) -> None:
        self.id = id
        self.slot_at = slot_at
        self.folder = folder
        self.output = output
        self.bars = Bars()
        self.cancel_requested = False
        self.is_open = True
        self.threads: WeakSet[Thread] = WeakSet()


current_run: Final[ContextVar[CurrentRun | None]] = ContextVar("livegraft_current_run", default=None)
"""The run whose code executes in this context; None on the host's own paths."""


def open_run() -> CurrentRun | None:
    """The run of this context while it is open."""
    run = current_run.get()
    return run if run is not None and run.is_open else None


def cancelled() -> bool:
    """Whether this run is asked to stop: return soon, or be interrupted. Always False outside a run."""
    run = current_run.get()
    return run is not None and run.cancel_requested


def slot_at() -> datetime | None:
    """The due time that this run is for, in UTC: of its schedule, however late it runs. None for other runs."""
    run = current_run.get()
    return run.slot_at if run is not None else None


def artifacts() -> Path:
    """The folder of this run for files that people may download: ``(artifacts() / "report.pdf").write_bytes(...)``.

    Outside a run it is a temporary folder of the process, gone at its end.
    """
    run = open_run()
    folder = run.folder if run is not None else None
    if folder is None:
        return Path(_outside().name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@cache
def _outside() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="livegraft-artifacts-", ignore_cleanup_errors=True)


@overload
def progress(done: float, text: str = "") -> None: ...
@overload
def progress(done: Iterable[T], text: str = "", *, total: int | None = None) -> Iterator[T]: ...
def progress(done: float | Iterable[T], text: str = "", *, total: int | None = None) -> Iterator[T] | None:
    """Tell people how far this run is.

    ``progress(0.4, "reading")`` sets a fraction (0 to 1). ``for order in progress(orders, "orders"):`` sets it with
    each item; ``total`` is the number of items of an iterable that has no length. Without either only the text is
    shown. What is told within such a loop, by a loop or a fraction, stands below it until its next item.
    """
    run = current_run.get()
    if not isinstance(done, Iterable):
        if run is not None:
            run.bars.tell(Progress.of(float(done), text))
        return None
    if total is None and isinstance(done, Sized):
        total = len(done)
    return _counted(done, run.bars, text, total) if run is not None else iter(done)


def _counted(items: Iterable[T], bars: Bars, text: str, total: int | None) -> Iterator[T]:
    bar, at_end = bars.begin(Progress.of(0.0 if total else None, text)), None
    try:
        for count, item in enumerate(items, start=1):
            yield item
            bars.move(bar, Progress.of(count / total if total else None, text))
        at_end = Progress.of(1.0, text)
    finally:
        bars.end(bar, at_end)
