"""Small pictures drawn on the server: the last runs of a script, the steps of a commit.

Values only; ``templates/_parts.html`` writes them as SVG, whose sizes are attributes, because
the content security policy allows no inline style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from livegraft.run import RunRecord

BAR_COUNT: Final = 12
BAR_HEIGHT: Final = 22
_LOWEST_BAR: Final = 5

STEPS: Final = ("seen", "fetched", "planned", "loaded", "live", "drained", "unloaded")
"""The steps of a commit in their order; the span to ``live`` is what people wait for."""

STEP_WIDTH: Final = 320
_NARROWEST_STEP: Final = 3


@dataclass(frozen=True, slots=True)
class RunBar:
    """One run: the longer it took, the higher."""

    run: RunRecord
    x: int
    height: int
    seconds: float | None


def seconds_of(run: RunRecord) -> float | None:
    """How long a run took; None before its end or when it never started."""
    if run.started_at is None or run.ended_at is None:
        return None
    return (run.ended_at - run.started_at).total_seconds()


def run_bars(runs: Sequence[RunRecord]) -> list[RunBar]:
    """The newest runs, oldest at the left."""
    shown = list(reversed(runs[:BAR_COUNT]))
    longest = max((seconds_of(run) or 0.0 for run in shown), default=0.0) or 1.0
    first = BAR_COUNT - len(shown)
    return [
        RunBar(run, (first + place) * 8, _bar_height(seconds_of(run), longest), seconds_of(run))
        for place, run in enumerate(shown)
    ]


def _bar_height(seconds: float | None, longest: float) -> int:
    share = 1.0 if seconds is None else seconds / longest
    return _LOWEST_BAR + round((BAR_HEIGHT - _LOWEST_BAR) * share)


@dataclass(frozen=True, slots=True)
class StepBar:
    """The way from one step of a commit to the next."""

    name: str
    at: datetime
    seconds: float
    x: float
    width: float


def step_bars(steps: Mapping[str, datetime]) -> list[StepBar]:
    """The steps that people wait for, up to ``live``, as wide as they took; what follows is cleaning up."""
    known = [(name, steps[name]) for name in STEPS[: STEPS.index("live") + 1] if name in steps]
    spans = [(name, at, max(0.0, (at - before).total_seconds())) for (_, before), (name, at) in pairwise(known)]
    whole = sum(seconds for _, _, seconds in spans) or 1.0
    room = STEP_WIDTH - _NARROWEST_STEP * len(spans)
    bars: list[StepBar] = []
    x = 0.0
    for name, at, seconds in spans:
        width = _NARROWEST_STEP + room * seconds / whole
        bars.append(StepBar(name, at, seconds, round(x, 1), round(width, 1)))
        x += width
    return bars
