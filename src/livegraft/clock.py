"""The one source of time: wall clock in UTC and a monotonic clock, replaceable in tests."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Port: what the core asks of time."""

    def now(self) -> datetime:
        """The wall clock, as an aware datetime in UTC."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait until the event is set or the seconds went by; True if it is set."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(seconds)
