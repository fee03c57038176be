"""For tests of scripts and of hosts: time that stands still until the test moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

_LOOK_AT_EVENT_SECONDS: Final = 0.005


class FakeClock:
    """A clock that a test moves by hand; give it where livegraft takes a ``clock``.

    Threads that wait on it wake when their event is set, when it was advanced by as much as they wait
    for, and on a jump. Time moves in one step: what was due in between is late, as after a sleep.
    """

    def __init__(self, start: datetime) -> None:
        """Begin at an aware datetime. Raises ValueError for a naive one."""
        self._now = _in_utc(start)
        self._elapsed = timedelta(0)
        # The waits under way, each with the elapsed time at which it ends. Moving the clock takes out the
        # waits that end by it, so a woken thread counts as awake before it runs.
        self._waits: dict[object, timedelta] = {}
        self._changed = threading.Condition()

    def now(self) -> datetime:
        with self._changed:
            return self._now

    def monotonic(self) -> float:
        with self._changed:
            return self._elapsed.total_seconds()

    def advance(self, by: timedelta | float) -> None:
        """Let time go by (seconds or a timedelta): both the wall clock and the monotonic one."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError(f"expected time to go forward, got: {by!r}; jump() sets the wall clock back")
        with self._changed:
            self._now += step
            self._elapsed += step
            self._waits = {wait: ends for wait, ends in self._waits.items() if ends > self._elapsed}
            self._changed.notify_all()

    def jump(self, to: datetime) -> None:
        """Set the wall clock, forward or back, as a person or a time server does; no time goes by."""
        with self._changed:
            self._now = _in_utc(to)
            self._waits.clear()
            self._changed.notify_all()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait until the event is set or the fake seconds went by, or until a jump; True if it is set."""
        wait = object()
        with self._changed:
            if event.is_set():
                return True
            self._waits[wait] = timedelta.max if seconds is None else self._elapsed + timedelta(seconds=seconds)
            self._changed.notify_all()
            while wait in self._waits and not event.is_set():
                # Setting an event tells nobody but those who wait on it, so it is looked at in real time.
                self._changed.wait(_LOOK_AT_EVENT_SECONDS)
            self._waits.pop(wait, None)
        return event.is_set()

    def until_waiting(self, threads: int = 1, timeout: float = 10.0) -> None:
        """Return when so many threads wait on this clock: they have done what the time demands.

        Raises TimeoutError after ``timeout`` real seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._waits) >= threads, timeout):
                found = len(self._waits)
                raise TimeoutError(f"expected {threads} threads to wait on the clock within {timeout} s, got: {found}")


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"expected a datetime with a time zone, got: {at!r}")
    return at.astimezone(UTC)
