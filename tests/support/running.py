"""A dispatcher over a real history, and functions as the scripts that it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from livegraft.clock import SystemClock
from livegraft.dispatcher import Dispatcher
from livegraft.events import Events
from livegraft.header import Header
from livegraft.parameters import Parameters, Resources
from livegraft.run import Trigger
from livegraft.run_handle import Run
from livegraft.runner import leftovers
from livegraft.store.sql import SqlStore
from livegraft.work import Work
from tests.support.history import a_history
from tests.support.waiting import PATIENCE_SECONDS

REVISION = "1a2b3c4d5e6f"


class Running:
    """Runs functions as if they were the ``run`` of a script in ``reports/daily.py``."""

    def __init__(self, dispatcher: Dispatcher, store: SqlStore, events: Events, live: dict[str, Work]) -> None:
        self.dispatcher = dispatcher
        self.live = live  # by script: what a retry executes
        self.store = store
        self.events = events

    def work(
        self,
        function: Callable[..., Any],
        *,
        script: str = "reports/daily",
        key: str = "9f2c1a",
        timeout: float | None = None,
        provide: Mapping[str, object] | None = None,
        **header: Any,
    ) -> Work:
        file = function.__code__.co_filename
        if timeout is not None:
            header["timeout"] = timedelta(seconds=timeout)
        return Work(
            script=script,
            key=key,
            revision=REVISION,
            function=function,
            is_async=inspect.iscoroutinefunction(function),
            parameters=Parameters(function, script=script, resources=Resources(provide)),
            locate=lambda asked: (f"{script}.py", REVISION[:8]) if asked == file else None,
            header=Header(**header),
        )

    def submit(self, work: Work, **arguments: Any) -> Run:
        return self.dispatcher.submit(work, trigger=Trigger.API, actor="dana", arguments=arguments)

    def run(self, function: Callable[..., Any], *, timeout: float | None = None, **arguments: Any) -> Run:
        """Start a run of a function; ``timeout`` in seconds."""
        return self.submit(self.work(function, timeout=timeout), **arguments)


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Running]:
    """A dispatcher that is started, and stopped at the end.

    By default it interrupts quickly what does not stop when asked, and takes nothing for stuck.
    """
    store, events = a_history(folder / "history.db"), Events()
    leftovers.exempt(folder)
    live: dict[str, Work] = {}
    settings = {"grace_seconds": 0.1, "stuck_seconds": PATIENCE_SECONDS, **settings}
    dispatcher = Dispatcher(runs=store.runs, clock=SystemClock(), events=events, live_work=live.__getitem__, **settings)
    dispatcher.start()
    try:
        yield Running(dispatcher, store, events, live)
    finally:
        dispatcher.stop(0.1)
        store.close()
