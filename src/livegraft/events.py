"""What happens, told to whoever listens: logging, live pages, tests.

The core emits; nobody in the core waits for a listener. A subscription that is not read keeps
the newest ``CAPACITY`` events and counts what it lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CAPACITY: Final = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """``name`` is release, script, run, sync, version or packages; ``subject`` is its id or name; ``data`` is JSON."""

    name: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Subscription:
    """One listener's queue of events."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._queue: deque[Event] = deque(maxlen=CAPACITY)
        self._arrived = threading.Condition()
        self.lost_count = 0

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event, or None when none came within ``timeout`` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._queue), timeout)
            return self._queue.popleft() if self._queue else None

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._events.unsubscribe(self)

    def put(self, event: Event) -> None:
        with self._arrived:
            self.lost_count += len(self._queue) == CAPACITY
            self._queue.append(event)
            self._arrived.notify()


class Events:
    """The place where the core tells what happened."""

    def __init__(self) -> None:
        self._subscriptions: tuple[Subscription, ...] = ()
        self._lock = threading.Lock()

    def emit(self, name: str, subject: str, **data: Any) -> None:
        """Tell all listeners; never blocks on one of them."""
        for subscription in self._subscriptions:
            subscription.put(Event(name, subject, data))

    def subscribe(self) -> Subscription:
        subscription = Subscription(self)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
