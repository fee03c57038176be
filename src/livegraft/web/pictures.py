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

from livegraft.run import OPEN_STATES, RunRecord, RunState

BAR_COUNT: Final = 12
BAR_HEIGHT: Final = 22
_LOWEST_BAR: Final = 5
_WRONG: Final = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.STUCK, RunState.LOST})

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


def tab_icon(runs: Sequence[RunRecord]) -> str:
    """The icon of a page about runs, newest first: whether one is open, or the newest went wrong."""
    if any(run.state in OPEN_STATES for run in runs):
        return "mark-running.svg"
    return "mark-failed.svg" if runs and runs[0].state in _WRONG else "mark.svg"


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
