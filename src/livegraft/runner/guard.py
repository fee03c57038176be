"""What a run changes in the whole process is noticed, told in its output, and put back where that is safe.

Runs beside each other share the process, so a change is told to every run that saw it, and put
back when the last run in progress has ended: earlier it could be taken from under a run that relies on it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

from livegraft.context import CurrentRun
from livegraft.runner.capture import capture
from livegraft.runner.leftovers import children, descriptors, told_of, told_of_files
from livegraft.runner.surroundings import Values, look
from livegraft.runner.watchdog import watchdog


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What a run found when it began."""

    run: CurrentRun
    surroundings: Values
    children: frozenset[int]
    process: int
    at: float


class Guard:
    """Looks at the process before and after each run, and knows how it was before any run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: set[str] = set()
        self._given_up: WeakSet[CurrentRun] = WeakSet()
        self._calm: Values = {}
        self._descriptors: frozenset[int] = frozenset()

    def enter(self, run: CurrentRun) -> Before:
        """A run begins, in this thread."""
        with self._lock:
            capture.prepare()
            if self._going:
                now = look(at_slow=False)
            else:
                now = self._calm = look(at_slow=True)
                self._descriptors = descriptors()
            if run not in self._given_up:
                self._going.add(run.id)
        return Before(run, now, children(), os.getpid(), time.monotonic())

    def leave(self, before: Before, cancelled_tasks: Sequence[str] = ()) -> list[str]:
        """It ended, in this thread: what is to be told in its output, as lines."""
        if os.getpid() != before.process:
            # The run forked and this is the child: it has none of the host's threads, and all of its sockets.
            os._exit(0)
        left = told_of(before.run, before.children, cancelled_tasks)
        with self._lock:
            is_last = self._going == {before.run.id}
            changed = self._leave(before.run.id, before.surroundings)
            if is_last:
                left += told_of_files(self._descriptors)
                self._rest()
        stalls = watchdog.stalls_since(before.at, threading.get_native_id())
        return [
            *(f"livegraft: this run, or one beside it, {stall}\n" for stall in stalls),
            *(f"livegraft: this run, or one beside it, changed {each}\n" for each in changed),
            *(f"livegraft: this run left behind {each}\n" for each in left),
        ]

    def give_up(self, run: CurrentRun) -> None:
        """It is stuck: what others change is put back without waiting for its end, which may never come.

        One that waits behind a blocked loop is given up before it begins.
        """
        with self._lock:
            self._given_up.add(run)
            is_last = self._going == {run.id}
            self._leave(run.id, self._calm)
            if is_last:
                self._rest()

    def _leave(self, run: str, before: Values) -> list[str]:
        """Put back what may be; what is different now from what the run found and from what the host had, in words."""
        if run not in self._going:
            return []  # it was given up
        self._going.remove(run)
        is_last = not self._going
        told = []
        for aspect, now in look(at_slow=is_last).items():
            calm = self._calm[aspect]
            found = before.get(aspect, calm)
            is_new = aspect.differs(found, now)
            is_changed = is_new if found is calm else aspect.differs(calm, now)
            if is_last and is_changed:
                aspect.restore(calm)
            elif aspect.is_urgent and is_new:
                aspect.restore(found)
            if is_new and is_changed:
                told.append(aspect.told(found, now))
        return told

    def _rest(self) -> None:
        self._calm, self._descriptors = {}, frozenset()  # what they refer to may be a script's
        capture.rest()


guard: Final = Guard()
"""The one of this process: what it guards belongs to the process too."""
