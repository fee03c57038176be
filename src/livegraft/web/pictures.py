"""Small pictures drawn on the server: the last runs of a script, the steps of a commit.

Most are values that ``templates/_parts.html`` writes as SVG, whose sizes are attributes, because
the content security policy allows no inline style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Final

from markupsafe import Markup

from livegraft.run import OPEN_STATES, RunRecord, RunState
from livegraft.store import LastRun
from livegraft.web.wording import duration, exact, slug

BAR_COUNT: Final = 20
BAR_HEIGHT: Final = 22
_LOWEST_BAR: Final = 5
_FEWEST: Final = 8
_LATELY: Final = 3
_FAR: Final = 1.5
_NOTED_SECONDS: Final = 0.1
_WRONG: Final = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.STUCK, RunState.LOST})

STEPS: Final = ("seen", "fetched", "planned", "loaded", "live", "drained", "unloaded")
"""The steps of a commit in their order; the span to ``live`` is what people wait for."""

STEP_WIDTH: Final = 320
_NARROWEST_STEP: Final = 3


_BAR: Final = (
    '<a href="{runs}{id}" tabindex="-1" aria-label="{said}"><path class="hit" d="M{x} 0h8v22h-8z"/>'
    '<path class="{slug}" d="M{x} 22v-{height}h6v{height}z"/><title>{said}</title></a>'
)
"""Formatted at once, not by a template: a page has a thousand of them."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How long runs of a script take: the median of those that ended, and of the newest of them.

    ``lately_seconds`` is None where they took about as long.
    """

    usual_seconds: float
    lately_seconds: float | None

    @property
    def is_slower(self) -> bool:
        return self.lately_seconds is not None and self.lately_seconds > self.usual_seconds


def seconds_of(run: RunRecord | LastRun) -> float | None:
    """How long a run took; None before its end or when it never started."""
    if run.started_at is None or run.ended_at is None:
        return None
    return (run.ended_at - run.started_at).total_seconds()


def tab_icon(runs: Sequence[RunRecord]) -> str:
    """The icon of a page about runs, newest first: whether one is open, or the newest went wrong."""
    if any(run.state in OPEN_STATES for run in runs):
        return "mark-running.svg"
    return "mark-failed.svg" if runs and runs[0].state in _WRONG else "mark.svg"


def run_bars(runs: Sequence[LastRun], address: str) -> Markup:
    """The newest runs, oldest at the left: the longer one took, the higher; each leads to its page at ``address``."""
    shown = list(reversed(runs[:BAR_COUNT]))
    longest = max((seconds_of(run) or 0.0 for run in shown), default=0.0) or 1.0
    return Markup("").join(_bar(run, place * 8, longest, address) for place, run in enumerate(shown))


def _bar(run: LastRun, x: int, longest: float, address: str) -> Markup:
    seconds = seconds_of(run)
    took = "" if seconds is None else f", took {duration(seconds)}"
    said = f"{run.state}, {exact(run.queued_at)}{took}"
    height = _bar_height(seconds, longest)
    bar = _BAR.format(runs=address, id=run.id, said=said, slug=slug(run.state), x=x, height=height)
    return Markup(bar)  # noqa: S704 - nothing in it is anybody's text: an id, a state, times


def trend(runs: Sequence[LastRun]) -> Trend | None:
    """Of the newest runs; None before enough of them ended well."""
    took = [seconds for run in runs if run.state is RunState.SUCCEEDED and (seconds := seconds_of(run)) is not None]
    if len(took) < _FEWEST:
        return None
    usual, lately = median(took), median(took[:_LATELY])
    is_far = usual > 0 and not 1 / _FAR < lately / usual < _FAR and abs(lately - usual) >= _NOTED_SECONDS
    return Trend(usual, lately if is_far else None)


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
