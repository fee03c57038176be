"""What the code of a run reaches of its run: whether it is asked to stop, and telling how far it is.

Scripts import :func:`cancelled`, :func:`progress` and :func:`artifacts` from ``livegraft``. They do no harm outside
a run, so that the same code may be called by the host on its own path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeVar, overload

T = TypeVar("T")

TEXT_LIMIT: Final = 200
"""Characters of a progress text that are kept."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: ``fraction`` from 0 to 1, or None when it cannot be known, and a short text."""

    fraction: float | None
    text: str = ""


class Output(Protocol):
    """Port: where the output of a run goes. Called from any thread."""

    def write(self, data: str | bytes, level: str = "out") -> None:
        """Take text or bytes that were written to ``out`` or ``err``, or logged at a level; never blocks or raises."""


class CurrentRun:
    """One run as seen from inside.

    ``folder`` is where it may put files for people; None when there is no place for them.

    ``is_open`` is set to False when the run has ended; threads that it left behind write to the
    host's own streams from then on. It holds nothing of the version, because contexts that outlive
    the run keep it.
    """

    __slots__ = ("__weakref__", "cancel_requested", "folder", "id", "is_open", "output", "progress")

    def __init__(self, id: str, output: Output, folder: Path | None = None) -> None:
        self.id = id
        self.folder = folder
        self.output = output
        self.progress: Progress | None = None
        self.cancel_requested = False
        self.is_open = True


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

    ``progress(0.4, "reading")`` sets the fraction (0 to 1). ``for order in progress(orders, "orders"):``
    sets it with each item; ``total`` is the number of items of an iterable that has no length. Without
    either only the text is shown.
    """
    run = current_run.get()
    if isinstance(done, (int, float)):
        if run is not None:
            run.progress = Progress(min(max(float(done), 0.0), 1.0), text[:TEXT_LIMIT])
        return None
    if total is None and isinstance(done, Sized):
        total = len(done)
    return _counted(done, run, text[:TEXT_LIMIT], total)


def _counted(items: Iterable[T], run: CurrentRun | None, text: str, total: int | None) -> Iterator[T]:
    if run is None:
        yield from items
        return
    run.progress = Progress(0.0 if total else None, text)
    for count, item in enumerate(items, start=1):
        yield item
        run.progress = Progress(min(count / total, 1.0) if total else None, text)
    run.progress = Progress(1.0, text)
