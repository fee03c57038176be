"""When and how the bytes of an output were written: a side index, so that the output stays exactly what was written.

A mark says that from an offset on a run wrote at some time, by some stream or at some level, until the
next mark. A new one is made when the level changes or some time went by. A bounded number is kept: when
there are more, neighbours are joined, and what is joined from two levels has none.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Final

MOST: Final = 16_384
"""Marks of one output at most, of 16 bytes each."""

APART_MS: Final = 10
"""Milliseconds within which what is written at the same level has the same time."""

LEVELS: Final = ("", "out", "err", "debug", "info", "warning", "error", "critical")

Mark = tuple[int, int, str]
"""Offset in bytes, milliseconds since 1970 in UTC, and one of ``LEVELS``; empty when it is not known."""


class Marks:
    """The marks of one output, in order of their offsets."""

    def __init__(self, data: bytes = b"") -> None:
        """Empty, or as ``to_bytes`` gave them."""
        stored = array("Q")
        stored.frombytes(data)
        half = len(stored) // 2
        self._offsets, self._values = stored[:half], stored[half:]

    def to_bytes(self) -> bytes:
        return (self._offsets + self._values).tobytes()

    def add(self, offset: int, at_ms: int, level: str) -> None:
        """What follows from an offset on is written at that time and level."""
        value = at_ms << 3 | LEVELS.index(level)
        if len(self._values) > len(self._offsets):
            self._values.pop()  # the writer was interrupted between the two steps below
        if self._values:
            last = self._values[-1]
            if value & 7 == last & 7 and 0 <= (value >> 3) - (last >> 3) < APART_MS:
                return
        if len(self._offsets) >= MOST:
            self._join()
        self._values.append(value)
        self._offsets.append(offset)

    def between(self, start: int, stop: int) -> list[Mark]:
        """The mark that holds at ``start``, at that offset, and those behind it and before ``stop``."""
        # A writer may be between its two steps: what has no value yet is not seen.
        count = min(len(self._offsets), len(self._values))
        first = max(0, bisect_right(self._offsets, start, 0, count) - 1)
        last = bisect_left(self._offsets, stop, first, count)
        return [
            (max(start, self._offsets[place]), self._values[place] >> 3, LEVELS[self._values[place] & 7])
            for place in range(first, last)
        ]

    def _join(self) -> None:
        pairs = zip(self._values[::2], self._values[1::2], strict=True)
        values = array("Q", (one if one & 7 == other & 7 else one & ~7 for one, other in pairs))
        self._offsets, self._values = self._offsets[::2], values
