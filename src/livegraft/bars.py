"""How far a run is, as bars: the outer loop first, those within it below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TEXT_LIMIT: Final = 200
"""Characters of a progress text that are kept."""

BARS_LIMIT: Final = 8
"""Bars that are shown; a run may have more of them under way."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One bar: ``fraction`` from 0 to 1, or None when it cannot be known, and a short text."""

    fraction: float | None
    text: str = ""

    @classmethod
    def of(cls, fraction: float | None, text: str) -> Progress:
        """Within bounds, whatever is given; a fraction that is no number is not known."""
        if fraction is not None:
            fraction = None if math.isnan(fraction) else min(max(fraction, 0.0), 1.0)
        return cls(fraction, text[:TEXT_LIMIT])


class Bar:
    """A loop that is under way. ``below`` is what is told within it without a loop, or a loop in it that ended."""

    __slots__ = ("below", "own")

    def __init__(self, own: Progress | None) -> None:
        self.own = own
        self.below: Progress | None = None


class Bars:
    """The bars of one run. A bar that begins while another is under way stands below it, until it ends."""

    def __init__(self) -> None:
        self._outside = Bar(None)
        self._loops: list[Bar] = []

    def tell(self, progress: Progress) -> None:
        """A fraction without a loop: replaces the one told before it in the same place."""
        self._innermost.below = progress

    def begin(self, progress: Progress) -> Bar:
        bar = Bar(progress)
        self._innermost.below = None
        self._loops.append(bar)
        return bar

    def move(self, bar: Bar, progress: Progress) -> None:
        """A loop goes on to its next item; what was told within the last one is over."""
        bar.below = None
        bar.own = progress

    def end(self, bar: Bar, progress: Progress | None) -> None:
        """A loop is left. When it came to its end, ``progress`` stays for as long as nothing else is told there."""
        if bar in self._loops:
            self._loops.remove(bar)
        if progress is not None:
            self._innermost.below = progress

    @property
    def shown(self) -> tuple[Progress, ...]:
        """The bars as they are now, outermost first."""
        bars = (progress for bar in (self._outside, *self._loops) for progress in (bar.own, bar.below))
        return tuple(progress for progress in bars if progress is not None)[:BARS_LIMIT]

    @property
    def _innermost(self) -> Bar:
        return self._loops[-1] if self._loops else self._outside


class ToldBars(Bars):
    """The bars of a run that is elsewhere, as it told them."""

    def __init__(self, bars: Sequence[Progress]) -> None:
        super().__init__()
        for each in bars[:BARS_LIMIT]:
            self.begin(each)
