"""The breaker: takes a script out of service that fails again and again, until a person or a new version comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from livegraft.decisions import LIVEGRAFT, Decisions
from livegraft.run import RunRecord, RunState
from livegraft.store import RestraintKind, Store

FAILURES: Final = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.STUCK})
"""Ends that count. That of a cancelled run says nothing about its script, nor does that of one whose process died: a
host that is killed again and again would take its scripts out of service."""

_ENDS: Final = FAILURES | {RunState.SUCCEEDED}

_NEVER_STARTED: Final = 10
"""How many times as many runs are looked at: among the failed ones may be some that never began."""


class Breaker:
    """Counts in the store, so that a restart forgets nothing.

    ``failures`` in a row (0: never) quarantine a script. ``changed`` is told whose quarantine began or ended.
    """

    def __init__(self, *, failures: int, store: Store, decisions: Decisions, changed: Callable[[str], None]) -> None:
        self._failures = failures
        self._store = store
        self._decisions = decisions
        self._changed = changed

    def ended(self, run: RunRecord) -> None:
        """A run's end is in the store."""
        script = run.script
        if not self._failures or run.state not in FAILURES or script in self._decisions.quarantines:
            return
        if self._failed_in_row(script) < self._failures:
            return
        last = f"{run.failure.type}: {run.failure.message}" if run.failure else run.state.value
        reason = f"{self._failures} runs in a row failed, the last with {last}"
        self._decisions.put(
            RestraintKind.QUARANTINE, script, actor=LIVEGRAFT, reason=reason, key=run.key, revision=run.revision
        )
        self._changed(script)

    def went_live(self, keys: Mapping[str, str]) -> None:
        """Versions by script are live: lift what was imposed on others. A person's quarantine stays."""
        for script, quarantine in self._decisions.quarantines.items():
            key = keys.get(script, quarantine.key)
            if quarantine.actor == LIVEGRAFT and key != quarantine.key:
                self._decisions.lift(
                    RestraintKind.QUARANTINE, script, actor=LIVEGRAFT, reason=f"its version {key[:8]} is live"
                )
                self._changed(script)

    def _failed_in_row(self, script: str) -> int:
        """How many runs failed, newest first, since one succeeded or a quarantine was lifted.

        Attempts that repeat a run by themselves count as one with it: it did what it was told to.
        """
        lifted = self._store.audit.find(action=f"lift {RestraintKind.QUARANTINE.value}", subject=script, limit=1)
        found = self._store.runs.find(script=script, states=_ENDS, limit=_NEVER_STARTED * self._failures)
        failed = set()
        for run in found:
            if run.state is RunState.SUCCEEDED or (lifted and run.queued_at <= lifted[0].at):
                break
            if run.started_at is not None:
                failed.add(run.origin if run.attempt > 1 else run.id)
        return len(failed)
