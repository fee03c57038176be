"""The agenda of the ticker: one heap of timers, one for each schedule of each script."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from livegraft.schedule import Schedule


class Timer:
    """Where the ticker stands in one schedule of one script.

    ``position`` is the last slot that was decided, or the instant from which slots count; None until the
    store was asked.
    """

    __slots__ = ("delay", "gone", "position", "schedule", "script", "seen_at", "slot_at", "ticket")

    def __init__(self, script: str, schedule: Schedule, *, seen_at: datetime) -> None:
        self.script = script
        self.schedule = schedule
        self.seen_at = seen_at
        self.delay = timedelta(0)
        self.position: datetime | None = None
        self.slot_at: datetime | None = None
        self.gone = False
        self.ticket = -1

    def place(self, position: datetime) -> datetime:
        """Count from a new position; when the slot after it is due."""
        self.position = position
        self.slot_at = self.schedule.next_after(position)
        return self.slot_at + self.delay

    def next_slot(self, now: datetime) -> datetime:
        slot_at = self.slot_at
        return slot_at if slot_at and slot_at > now else self.schedule.next_after(now)


class Agenda:
    """Timers by due time. Each is here once: the ticket of its newest place counts, older ones are dropped when met."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int]] = []
        self._timers: dict[int, Timer] = {}
        self._tickets = count()

    def put(self, timer: Timer, due_at: datetime) -> None:
        self._timers.pop(timer.ticket, None)
        timer.ticket = next(self._tickets)
        self._timers[timer.ticket] = timer
        heapq.heappush(self._heap, (due_at, timer.ticket))

    def next_at(self) -> datetime | None:
        while self._heap:
            due_at, ticket = self._heap[0]
            timer = self._timers.get(ticket)
            if timer is not None and not timer.gone:
                return due_at
            heapq.heappop(self._heap)
            self._timers.pop(ticket, None)
        return None

    def first(self, count: int, until: datetime, is_wanted: Callable[[Timer], bool]) -> list[Timer]:
        """The first timers that are due until an instant. For any thread: the heap is copied in one step."""
        heap = list(self._heap)
        found: list[Timer] = []
        while heap and len(found) < count and heap[0][0] <= until:
            timer = self._timers.get(heapq.heappop(heap)[1])
            if timer is not None and not timer.gone and is_wanted(timer):
                found.append(timer)
        return found

    def is_due(self, now: datetime) -> bool:
        next_at = self.next_at()
        return next_at is not None and next_at <= now

    def take_due(self, now: datetime) -> tuple[datetime, Timer] | None:
        if not self.is_due(now):
            return None
        due_at, ticket = heapq.heappop(self._heap)
        return due_at, self._timers.pop(ticket)
