"""How late an event loop of the host is, whatever goes on beside it."""

from __future__ import annotations

import asyncio
import threading
import time


class LateTicks(threading.Thread):
    """An event loop that sleeps a millisecond again and again, and notes how much longer it took, in ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._late: list[float] = []
        self._ended = False

    def take(self) -> list[float]:
        late, self._late = self._late, []
        return late

    def stop(self) -> None:
        self._ended = True
        self.join()

    def run(self) -> None:
        asyncio.run(self._tick())

    async def _tick(self) -> None:
        while not self._ended:
            begin = time.perf_counter()
            await asyncio.sleep(0.001)
            self._late.append((time.perf_counter() - begin - 0.001) * 1000)
