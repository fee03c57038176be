"""What happens, told to whoever listens: logging, live pages, tests.

The core emits; nobody in the core waits for a listener. A subscription that is not read keeps
the newest ``CAPACITY`` events and counts what it lost. As many are remembered, for who says up to where it knows: a
page that was rendered a moment before it listens.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

CAPACITY: Final = 1000

MISSED: Final = "missed"


@dataclass(frozen=True, slots=True)
class Event:
    """``name`` is release, script, run, sync, version or packages; ``subject`` is its id or name; ``data`` is JSON.

    ``missed`` says that others came before which are not known any more.
    """

    name: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Subscription:
    """One listener's queue of events."""

    def __init__(self, events: Events, told: Callable[[], object] | None = None) -> None:
        self._events = events
        self._told = told
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
        if self._told is not None:
            self._told()


class Events:
    """The place where the core tells what happened."""

    def __init__(self) -> None:
        self._subscriptions: tuple[Subscription, ...] = ()
        self._lock = threading.RLock()  # a finalizer of anybody's may run in here, and emit
        # Numbers begin anew with each process: who comes with those of another one has missed something.
        self._life = secrets.token_hex(4)
        self._count = 0
        self._recent: deque[Event] = deque(maxlen=CAPACITY)

    @property
    def position(self) -> str:
        """Up to where a listener knows that begins now; for ``subscribe``, later."""
        return f"{self._life}-{self._count}"

    def emit(self, name: str, subject: str, **data: Any) -> None:
        """Tell all listeners; never blocks on one of them."""
        event = Event(name, subject, data)
        with self._lock:
            self._count += 1
            self._recent.append(event)
            for subscription in self._subscriptions:
                subscription.put(event)

    def subscribe(self, since: str = "", told: Callable[[], object] | None = None) -> Subscription:
        """Hear what happens from now on; with a ``position`` what has happened since, too.

        ``told`` is called whenever there is an event, by the thread that emits it: it must not wait.
        """
        subscription = Subscription(self, told)
        with self._lock:
            for event in self._after(since) if since else ():
                subscription.put(event)
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

    def _after(self, position: str) -> Sequence[Event]:
        life, _, number = position.rpartition("-")
        missed = self._count - int(number) if life == self._life and number.isdecimal() else -1
        if not 0 <= missed <= len(self._recent):
            return [Event(MISSED, "")]
        return list(self._recent)[len(self._recent) - missed :]
