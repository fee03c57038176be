"""Something that is done again and again, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Rounds:
    """Calls ``work`` after each pause, until it is stopped. What it raises ends the thread: it is to catch its own."""

    def __init__(
        self, work: Callable[[], object], *, name: str, pause: float, first_pause: float | None = None
    ) -> None:
        self._work = work
        self._name = name
        self._pauses = (pause if first_pause is None else first_pause, pause)
        self.stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self.stopped.clear()
        self._thread = threading.Thread(target=self._go_round, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Waits for the round under way. Idempotent."""
        self.stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _go_round(self) -> None:
        pause, later = self._pauses
        while not self.stopped.wait(pause):
            pause = later
            self._work()
