"""Alarms for runs: one thread for all of them, none for each."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from typing import Final

from livegraft.clock import Clock

logger = logging.getLogger(__name__)

_FIRST_CLEANING: Final = 10_000


class Alarms:
    """Calls ``ring(subject, name)`` when an alarm's time has come.

    Alarms are not taken back: ``ring`` finds out whether it still matters. ``is_wanted(subject)`` tells
    which ones may be dropped early, so that those of short runs with long timeouts do not pile up.
    """

    def __init__(
        self, *, clock: Clock, ring: Callable[[str, str], None], is_wanted: Callable[[str], bool], name: str
    ) -> None:
        self._clock = clock
        self._ring = ring
        self._is_wanted = is_wanted
        self._name = name
        self._lock = threading.Lock()
        self._heap: list[tuple[float, str, str]] = []
        self._clean_at = _FIRST_CLEANING
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ring no more. Idempotent."""
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def set(self, seconds: float, subject: str, name: str) -> None:
        """Ring in so many seconds."""
        alarm = (self._clock.monotonic() + seconds, subject, name)
        with self._lock:
            if len(self._heap) >= self._clean_at:
                self._heap = [alarm for alarm in self._heap if self._is_wanted(alarm[1])]
                heapq.heapify(self._heap)
                self._clean_at = max(_FIRST_CLEANING, 2 * len(self._heap))
            heapq.heappush(self._heap, alarm)
            is_next = self._heap[0] is alarm
        if is_next:
            self._wake.set()

    def _watch(self) -> None:
        while not self._stopping:
            self._wake.clear()
            for _, subject, name in self._take_due():
                try:
                    self._ring(subject, name)
                except Exception:
                    logger.exception("the alarm %r of %s failed", name, subject)
            self._clock.wait(self._wake, self._pause())

    def _take_due(self) -> list[tuple[float, str, str]]:
        now = self._clock.monotonic()
        due = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                due.append(heapq.heappop(self._heap))
        return due

    def _pause(self) -> float | None:
        """Seconds until the next; None when there is none."""
        with self._lock:
            return max(0.0, self._heap[0][0] - self._clock.monotonic()) if self._heap else None
