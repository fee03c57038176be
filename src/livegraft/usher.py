"""The usher: one thread that has waiting runs begin, each when it is due and its script is free.

A waiting run is a row that no process has: a slot behind a run that was still going, one that is caught up, or a run
that a person asked for at an instant. Taking it from the store is the right to begin it, so that several processes may
look after the same ones, and a crash or a restart loses none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from livegraft.clock import Clock
from livegraft.dispatcher import Dispatcher
from livegraft.due import GRACE, CatchUp
from livegraft.errors import BusyError, LivegraftError, StoreError
from livegraft.header import Header, Missed, Overlap
from livegraft.run import RunFailure, RunRecord, RunState
from livegraft.store import Runs
from livegraft.work import Work

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 10.0
"""The store is looked at this often at least: another process may have put a run there, and clocks are set."""

BUSY_SECONDS: Final = 1.0
"""How often it is looked at while due runs wait for their script; here the end of a run is heard at once."""

STOP_SECONDS: Final = 5.0


class Usher:
    """Takes waiting runs from the store and has the dispatcher begin them.

    ``live_work`` tells what runs of a script execute now and raises LivegraftError when it takes none; ``may_begin`` is
    False as long as no code is loaded; ``catch_up`` tells how late a run that a person asked for may begin.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        clock: Clock,
        dispatcher: Dispatcher,
        live_work: Callable[[str], Work],
        may_begin: Callable[[], bool],
        catch_up: Callable[[Header], CatchUp],
    ) -> None:
        self._runs = runs
        self._clock = clock
        self._dispatcher = dispatcher
        self._live_work = live_work
        self._may_begin = may_begin
        self._catch_up = catch_up
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._blocked: set[str] = set()

    def start(self) -> None:
        """Begin to look after waiting runs. Idempotent."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._work, name="livegraft-usher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Have none begin from now on. Idempotent; waits for one under way, at most 5 s."""
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_SECONDS)

    def wake(self) -> None:
        """Look now: there is a new waiting run, or other code is live."""
        self._wake.set()

    def ended(self, script: str) -> None:
        """A run of a script ended here: one that waits for it may begin."""
        if script in self._blocked:
            self._wake.set()

    def _work(self) -> None:
        was_away = False
        while not self._stopping:
            self._wake.clear()
            try:
                pause = self._turn()
                was_away = False
            except StoreError as error:
                if not was_away:  # said once, however long it takes
                    logger.error("waiting runs cannot be looked at until the history is back: %s", error)
                was_away, pause = True, BUSY_SECONDS
            except Exception:
                # All waiting runs hang on this thread: it outlives every fault.
                logger.exception("waiting runs were not looked at")
                pause = BUSY_SECONDS
            self._clock.wait(self._wake, pause)

    def _turn(self) -> float:
        """Have all begin that may; the seconds until the next look."""
        if not self._may_begin():
            return LONGEST_WAIT_SECONDS
        now = self._clock.now()
        blocked: set[str] = set()
        for run in self._runs.waiting(due_by=now):
            if run.script not in blocked and not self._stopping and not self._begin(run, now):
                blocked.add(run.script)
        self._blocked = blocked
        if blocked:
            return BUSY_SECONDS
        next_due = self._runs.next_due()
        until_next = (next_due - self._clock.now()).total_seconds() if next_due else LONGEST_WAIT_SECONDS
        return min(LONGEST_WAIT_SECONDS, max(0.0, until_next))

    def _begin(self, run: RunRecord, now: datetime) -> bool:
        """Have a run begin or end; False when it waits on, and with it the script's others."""
        try:
            work = self._live_work(run.script)
            if reason := self._why_not(run, work.header, now):
                self._dispatcher.drop(run, RunState.CANCELLED, RunFailure("missed", reason))
                return True
            alone = run.slot_at is not None and work.header.overlap is not Overlap.PARALLEL
            if alone:
                self._blocked |= {run.script}  # before the look, so that the end of its run is heard from here on
                if self._dispatcher.view.open_run(run.script) is not None:
                    return False
            return self._dispatcher.take(run, work, alone=alone)
        except (StoreError, BusyError):
            return False
        except LivegraftError as error:
            if not self._may_begin() or self._stopping:
                return False
            self._dispatcher.drop(run, RunState.FAILED, RunFailure(error.code, str(error)))
            return True

    def _why_not(self, run: RunRecord, header: Header, now: datetime) -> str:
        """Why a run that a person asked for at an instant is too late; "" when it is not."""
        late = now - (run.due_at or now)
        if run.slot_at is not None or late < GRACE:
            return ""
        catch_up = self._catch_up(header)
        if catch_up.missed is Missed.SKIP or late > catch_up.window:
            return f"noticed {timedelta(seconds=int(late.total_seconds()))} late; {catch_up.reason(late)}"
        return ""
