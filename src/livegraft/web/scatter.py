"""Runs over time as a picture: how long each took, against when it was asked for.

Values only; ``templates/_parts.html`` writes them as SVG. Places are in percent across, so that the picture is as wide
as the page, and in pixels down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10
from typing import Final, Protocol

from livegraft.run import RunState

HEIGHT: Final = 132
_EDGE: Final = 8
"""Room above and below for the points themselves."""

_STEPS: Final = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000, 3_600_000)
"""Seconds at which lines are drawn."""


class Spanned(Protocol):
    """A run, or what is known of one in short."""

    @property
    def id(self) -> str: ...
    @property
    def script(self) -> str: ...
    @property
    def state(self) -> RunState: ...
    @property
    def queued_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Point:
    run: Spanned
    seconds: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line at a duration."""

    seconds: float
    y: float


@dataclass(frozen=True, slots=True)
class Scatter:
    points: Sequence[Point]
    lines: Sequence[Line]
    first: datetime
    last: datetime
    height: int = HEIGHT + 2 * _EDGE


def scatter(runs: Sequence[Spanned], now: datetime) -> Scatter | None:
    """None when fewer than two of the runs have begun. One that is under way took as long as it goes until ``now``."""
    took = [(run, max(0.0, ((run.ended_at or now) - run.started_at).total_seconds())) for run in runs if run.started_at]
    if len(took) < 2:
        return None
    shortest, longest = min(seconds for _, seconds in took), max(seconds for _, seconds in took)
    low = max((step for step in _STEPS if step <= shortest), default=_STEPS[0])
    high = min((step for step in _STEPS if step >= longest and step > low), default=_STEPS[-1])
    first, last = min(run.queued_at for run, _ in took), max(run.queued_at for run, _ in took)
    whole = (last - first).total_seconds() or 1.0

    def down(seconds: float) -> float:
        share = (log10(max(seconds, low)) - log10(low)) / (log10(high) - log10(low))
        return round(_EDGE + HEIGHT * (1 - min(1.0, share)), 1)

    # What comes later lies above: one that failed is not hidden by those that did well.
    points = [
        Point(run, seconds, round(12 + 87 * (run.queued_at - first).total_seconds() / whole, 2), down(seconds))
        for run, seconds in sorted(took, key=lambda each: each[0].state is not RunState.SUCCEEDED)
    ]
    lines = [Line(step, down(step)) for step in _STEPS if low <= step <= high]
    return Scatter(points, lines, first, last)
