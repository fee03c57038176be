"""The history of runs as a whole: finding some of many, and doing one thing with all that were chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from livegraft.errors import LivegraftError
from livegraft.overview import Overview
from livegraft.run import OPEN_STATES, RunRecord, RunState, Trigger
from livegraft.run_filter import RunFilter, RunsFound, RunSpan
from livegraft.run_handle import Run
from livegraft.store import Runs

MOST_AT_ONCE: Final = 500
"""Runs that are cancelled or repeated by one command."""

MOST_SPANS: Final = 300
"""Runs in one picture."""

_USUAL_OF: Final = 20
"""Runs whose median is the usual time."""

_MAY_STOP: Final = OPEN_STATES | {RunState.STUCK}


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one of many runs: ``again`` is the run that repeats it, ``refused`` says why nothing was done.

    ``script`` is empty when it was refused.
    """

    run: str
    script: str = ""
    again: str = ""
    refused: LivegraftError | None = None


@dataclass(frozen=True, slots=True)
class ManyDone:
    """``next`` is the ``before`` with which to go on, None when all that match were looked at."""

    done: Sequence[Done]
    next: str | None = None


class RunHistory:
    """Looks at the ledger of ``runs``. The ``overview`` knows tags.

    ``cancel`` and ``rerun`` are the supervisor's, for one run.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        overview: Overview,
        cancel: Callable[..., RunRecord],
        rerun: Callable[..., Run],
    ) -> None:
        self._runs = runs
        self._overview = overview
        self._cancel = cancel
        self._rerun = rerun

    def search(self, which: RunFilter, *, tag: str = "", before: str | None = None, limit: int = 50) -> RunsFound:
        """Runs newest first; with a ``tag`` only those of scripts that have it now."""
        return self._runs.search(self._narrowed(which, tag), before=before, limit=limit)

    def spans(self, which: RunFilter, *, tag: str = "", limit: int = MOST_SPANS) -> Sequence[RunSpan]:
        """The newest of them in short, for a picture."""
        return self._runs.spans(self._narrowed(which, tag), limit)

    def tags(self) -> Sequence[str]:
        """What runs can be asked for by: every tag of a live script."""
        return self._overview.tags()

    def usual_seconds(self, script: str, before: str | None = None) -> float | None:
        """The median of what the last runs took that succeeded, of those before a run; None when there are none."""
        which = RunFilter(scripts=(script,), states=(RunState.SUCCEEDED,))
        found = self._runs.search(which, before=before, limit=_USUAL_OF).runs
        took = [
            (each.ended_at - each.started_at).total_seconds() for each in found if each.started_at and each.ended_at
        ]
        return median(took) if took else None

    def cancel(self, ids: Iterable[str], *, actor: str) -> ManyDone:
        """Ask chosen runs to stop."""
        return ManyDone([self._try_cancel(id, actor) for id in ids])

    def rerun(self, ids: Iterable[str], *, trigger: Trigger, actor: str) -> ManyDone:
        """Start runs that repeat chosen ones, on the versions that are live, the oldest first."""
        return ManyDone([self._try_rerun(id, trigger, actor) for id in sorted(ids)])

    def cancel_all(self, which: RunFilter, *, tag: str = "", before: str | None = None, actor: str) -> ManyDone:
        """Ask the newest that match to stop, those of them that can."""
        states = tuple(_MAY_STOP.intersection(which.states or _MAY_STOP))
        if not states:
            return ManyDone([])
        found = self.search(replace(which, states=states), tag=tag, before=before, limit=MOST_AT_ONCE)
        return replace(self.cancel([run.id for run in found.runs], actor=actor), next=found.next)

    def rerun_all(
        self, which: RunFilter, *, tag: str = "", before: str | None = None, trigger: Trigger, actor: str
    ) -> ManyDone:
        """Start runs that repeat the newest that match."""
        found = self.search(which, tag=tag, before=before, limit=MOST_AT_ONCE)
        return replace(self.rerun([run.id for run in found.runs], trigger=trigger, actor=actor), next=found.next)

    # One that is refused does not keep the others from being done.

    def _try_cancel(self, id: str, actor: str) -> Done:
        try:
            return Done(id, self._cancel(id, actor=actor).script)
        except LivegraftError as error:
            return Done(id, refused=error)

    def _try_rerun(self, id: str, trigger: Trigger, actor: str) -> Done:
        try:
            again = self._rerun(id, trigger=trigger, actor=actor)
            return Done(id, again.script, again.id)
        except LivegraftError as error:
            return Done(id, refused=error)

    def _narrowed(self, which: RunFilter, tag: str) -> RunFilter:
        if not tag:
            return which
        tagged = set(self._overview.tagged(tag))
        return replace(which, scripts=tuple(sorted(tagged if which.scripts is None else tagged & {*which.scripts})))
