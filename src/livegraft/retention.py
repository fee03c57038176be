"""Deletes what is old of the history, in steps so small that nobody who writes to it has to wait for long.

How much of a script is kept says its header, within what the host allows; how much of the rest, the host. Runs go with
their output, results and files. What never goes: a run that has not ended, the last slot of a schedule, which
tells where it counts from, the live release and the last that proved themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from livegraft.artifact_files import Artifacts
from livegraft.clock import Clock
from livegraft.errors import ConfigurationError, StoreError
from livegraft.header import Keep, read_keep
from livegraft.header_values import read_age, read_number
from livegraft.rounds import Rounds
from livegraft.store import Retention

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_SECONDS: Final = 60.0
"""After how long a process that starts looks for the first time: some never live for an hour."""

PAUSE_SECONDS: Final = 3600.0

STEP_SECONDS: Final = 0.01
"""How long one transaction should take."""

_FIRST, _LEAST, _MOST = 50, 5, 1_000
"""Rows of one transaction: of the first, and the bounds of the others."""

_PAGES: Final = 64
"""Pages of the file that are given back in one step."""


DEFAULT: Final = Keep(age=timedelta(days=90), runs=10_000, size=1 << 30)
"""What is kept of each script, if nobody says anything else."""


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """What is kept of each ``script`` at most, how many ``releases``, and how old the ``audit`` gets."""

    script: Keep = DEFAULT
    releases: int = 1_000
    audit: timedelta = timedelta(days=730)


def read_policy(written: Mapping[str, object]) -> KeepPolicy:
    """``age``, ``runs``, ``size`` as in headers, ``releases`` and ``audit``. Raises ConfigurationError."""
    given = dict(written)
    default = KeepPolicy()
    try:
        releases = read_number(100, 10_000_000)(given.pop("releases", default.releases))
        audit = read_age(given.pop("audit", default.audit.total_seconds()))
        script = read_keep(given) if given else Keep()
    except ValueError as error:
        raise ConfigurationError(f"keep: {error}; beside them, releases and audit") from None
    chosen = {name: getattr(script, name) for name in ("age", "runs", "size") if getattr(script, name) is not None}
    filled = {name: getattr(default.script, name) for name in ("age", "runs", "size")} | chosen
    return KeepPolicy(Keep(**filled), releases, audit)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one round deleted, in rows."""

    runs: int = 0
    slots: int = 0
    releases: int = 0
    versions: int = 0
    audit: int = 0


class Trimmer:
    """One thread that looks once an hour for what is to go; ``keep_of`` tells what the header of a script says."""

    def __init__(
        self,
        *,
        ledger: Retention,
        artifacts: Artifacts,
        clock: Clock,
        policy: KeepPolicy,
        keep_of: Callable[[str], Keep],
    ) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._clock = clock
        self._policy = policy
        self._keep_of = keep_of
        self._rounds = Rounds(self._round, name="livegraft-trimmer", pause=PAUSE_SECONDS, first_pause=FIRST_SECONDS)

    def start(self) -> None:
        self._rounds.start()

    def stop(self) -> None:
        """Waits for the step under way. Idempotent."""
        self._rounds.stop()

    def _round(self) -> None:
        try:
            done = self.trim()
        except StoreError as error:
            logger.warning("what is old of the history stays for now, tried again in an hour: %s", error)
        except Exception:
            logger.exception("what is old of the history stays for now; tried again in an hour")
        else:
            if done != Trimmed():
                logger.info("deleted of the history: %s", done)

    def trim(self) -> Trimmed:
        """Delete all that is to go; what it was. Ends early when it is stopped."""
        runs = slots = versions = 0
        left = self._artifacts.sizes()
        name = ""
        while (script := self._ledger.next_script(name)) is not None and not self._rounds.stopped.is_set():
            name = script
            keep = self._keep_of(name).within(self._policy.script)
            runs += self._trim_runs(name, keep, left)
            slots += self._trim_slots(name, keep)
            versions += self._ledger.trim_versions(name, self._policy.releases)
        releases = self._all(lambda limit: self._ledger.trim_releases(self._policy.releases, limit))
        oldest = self._clock.now() - self._policy.audit
        audit = self._all(lambda limit: self._ledger.trim_audit(oldest, limit))
        self._all(lambda limit: self._ledger.give_back(_PAGES))
        return Trimmed(runs, slots, releases, versions, audit)

    def _trim_runs(self, script: str, keep: Keep, left: Mapping[str, int]) -> int:
        before = self._ledger.first_kept(script, keep.runs, keep.size, left)
        oldest = self._clock.now() - keep.age if keep.age is not None else None
        count, after, pace = 0, "", _Pace(self._rounds.stopped)
        while not self._rounds.stopped.is_set():
            gone, at = pace.step(
                lambda limit, after=after: self._ledger.trim_runs(  # type: ignore[misc]
                    script, before=before, older_than=oldest, after=after, limit=limit
                )
            )
            # Their rows are gone: files that a process leaves which dies here are found by looking for rows.
            for id in left.keys() & set(gone):
                self._artifacts.drop(id)
            count += len(gone)
            if at is None:
                break
            after = at
        return count

    def _trim_slots(self, script: str, keep: Keep) -> int:
        oldest = self._clock.now() - keep.age if keep.age is not None else None
        return self._all(lambda limit: self._ledger.trim_slots(script, runs=keep.runs, older_than=oldest, limit=limit))

    def _all(self, trim: Callable[[int], int]) -> int:
        """Repeat a step until it finds nothing more; how many rows went."""
        total, pace = 0, _Pace(self._rounds.stopped)
        while not self._rounds.stopped.is_set() and (count := pace.step(trim)):
            total += count
        return total


class _Pace:
    """Has each step take about ``STEP_SECONDS``, and leaves as long to others after it."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._limit = _FIRST

    def step(self, work: Callable[[int], T]) -> T:
        """``work`` is told how many rows it may take."""
        began = time.monotonic()
        found = work(self._limit)
        took = time.monotonic() - began
        if took > STEP_SECONDS:
            self._limit = max(_LEAST, self._limit // 2)
        elif took < STEP_SECONDS / 2:
            self._limit = min(_MOST, self._limit * 2)
        self._stopped.wait(took)
        return found
