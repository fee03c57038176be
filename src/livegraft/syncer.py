"""Follows the repository: from the tip of its branch to a live release, again and again."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from livegraft.catalog import Refusal, ScriptFailure, SyncReport, SyncState, SyncStatus
from livegraft.clock import Clock
from livegraft.crashes import Crashes
from livegraft.drainer import Drainer
from livegraft.errors import BusyError, LivegraftError, MirrorError, NotFoundError, QuarantinedError
from livegraft.events import Events
from livegraft.graph import Plan, Planner
from livegraft.installed import Installed, PackageChange
from livegraft.locks import LockChange, Locks
from livegraft.mirror import Mirror
from livegraft.release import Candidate, Release, ReleaseBuilder, ReleasePolicy, failed_outcome
from livegraft.revision import Revision
from livegraft.store import (
    Outcome,
    ReleaseRecord,
    Releases,
    ReleaseState,
    Restraint,
    ScriptOutcome,
    VersionRecord,
)

logger = logging.getLogger(__name__)

_LONGEST_BACKOFF_SECONDS: Final = 60.0
_LONGEST_UNFETCHED_SECONDS: Final = 1.0
"""How long a commit that is live may wait until it is fetched, while there are newer ones to look at."""

_QUIET_SECONDS: Final = 0.1
"""So long nobody asks for a look before it is fetched: the next commit would have to wait for that."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """A commit that was refused as a whole, to be tried again when packages or decisions change.

    Nothing in here refers to what was loaded: that has to go.
    """

    id: int
    plan: Plan
    told: Refusal


class Syncer:
    """One thread that fetches, plans, builds and switches; everything that changes the release happens on it.

    ``switch`` makes a release live, ``replan`` then has the schedules of scripts
    tick that changed, of all when it gets None. ``pins`` and ``held`` are asked for
    people's standing decisions, ``crashes`` for what follows from those of the process. ``accept_rewritten`` takes a
    rewritten history without asking; otherwise the live code stays until a person accepts it. ``policy`` tells what
    becomes of a commit of which a script fails.
    """

    def __init__(
        self,
        *,
        mirror: Mirror,
        planner: Planner,
        builder: ReleaseBuilder,
        drainer: Drainer,
        releases: Releases,
        clock: Clock,
        events: Events,
        installed: Installed,
        switch: Callable[[Release], None],
        replan: Callable[[Iterable[str] | None], None],
        pins: Callable[[], Mapping[str, Restraint]],
        held: Callable[[], bool],
        poll_seconds: float,
        accept_rewritten: bool,
        policy: ReleasePolicy,
        crashes: Crashes,
    ) -> None:
        self._mirror, self._planner, self._builder, self._drainer = mirror, planner, builder, drainer
        self._releases, self._clock, self._events = releases, clock, events
        self._installed, self._locks = installed, Locks(installed=installed, read=mirror.read)
        self._restart_needed: tuple[PackageChange | LockChange, ...] = ()
        self._switch, self._replan, self._pins, self._held = switch, replan, pins, held
        self._poll_seconds = poll_seconds
        self._accept_rewritten = accept_rewritten
        self._policy = policy
        self._crashes = crashes
        self._shows_only = False
        # Whether the process began with the commit that was live when the one before ended.
        self._resumes = False
        self._refused: _Refused | None = None
        self._release: Release | None = None
        self._plan: Plan | None = None
        # Scripts that came, changed or went since somebody asked last: a commit may be live before it is asked for.
        self._untold: set[str] = set()
        self._error: LivegraftError | None = None
        self._failures_in_row = 0
        self._status = SyncStatus(SyncState.NEVER, None, None, None, "", "", None)
        # Requests and answers: a request is answered by the first round that begins after it was made.
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self._rewrite_accepted = self._rebuild_asked = self._stopping = False
        self._retried: frozenset[str] = frozenset()
        # Whether commits are read where they are first, and until when one that was read so is to be fetched.
        self._may_glance = True
        self._fetch_until: float | None = None
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> SyncStatus:
        return self._status

    @property
    def refusal(self) -> Refusal | None:
        """The newest commit, if it was refused as a whole."""
        return self._refused.told if self._refused else None

    @property
    def restart_needed(self) -> tuple[PackageChange | LockChange, ...]:
        """Why the process should be started again, as of the last look."""
        return self._restart_needed

    @property
    def newest_plan(self) -> Plan | None:
        """The plan of the newest commit that was looked at, live or refused."""
        return self._plan

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._follow, name="livegraft-syncer", daemon=True)
        self._thread.start()
        self._mirror.watch(self.poke)

    def stop(self) -> None:
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def forget(self) -> None:
        """Let go of the release, when the supervisor has stopped."""
        self._release = self._plan = self._refused = None

    def poke(self, *, rebuild: bool = False) -> None:
        """Look at the repository now, or make the release of the present commit again; returns at once."""
        with self._turn:
            self._rebuild_asked |= rebuild
            self._asked += 1
            self._turn.notify_all()

    def first_look(self) -> None:
        """Look now and return when the newest commit is live or refused. Raises as ``sync`` does."""
        self._ask(None)
        if self._error is not None:
            raise self._error.with_traceback(None)

    def sync(self, timeout: float | None = None, *, accept_rewritten: bool = False) -> SyncReport:
        """Look now and return when the newest commit is live or refused.

        The report says what happened to each script since the report before. Raises MirrorError when the
        repository cannot be read, BusyError after ``timeout`` seconds.
        """
        self._ask(timeout, accept_rewritten=accept_rewritten)
        if self._error is not None:
            raise self._error.with_traceback(None)
        release, refused = self._release, self._refused
        if release is None and refused is None:
            raise BusyError("expected a release, got none: livegraft is stopping")
        scripts = self._told(release) if release else {}
        if refused is None:
            assert release is not None  # noqa: S101 - one of both is there
            if self._shows_only:
                reason = f"safe mode: {self._crashes.safe_mode}"
                return SyncReport(release.revision.id, ReleaseState.REFUSED, reason, tuple(scripts.values()))
            error = "held: newer commits wait until somebody lets go" if self._held() else ""
            return SyncReport(release.revision.id, ReleaseState.LIVE, error, tuple(scripts.values()))
        scripts |= {outcome.script: outcome for outcome in refused.told.scripts}
        return SyncReport(refused.told.revision, ReleaseState.REFUSED, refused.told.reason, tuple(scripts.values()))

    def _told(self, release: Release) -> dict[str, ScriptOutcome]:
        """What happened to every script since this was told last."""
        with self._turn:
            untold, self._untold = self._untold, set()
        names = sorted({*release.scripts, *release.failures, *untold})
        return {name: _outcome(name, release, is_news=name in untold) for name in names}

    def rebuild(self, timeout: float | None = None) -> None:
        """Make the release of the present commit again: a pin was set or lifted."""
        self._ask(timeout, rebuild=True)

    def retry(self, script: str, timeout: float | None = None) -> None:
        """Execute again what failed of a script; returns when it is live or failed again."""
        self._ask(timeout, rebuild=True, retried=script)

    def _ask(
        self, timeout: float | None, *, accept_rewritten: bool = False, rebuild: bool = False, retried: str = ""
    ) -> None:
        with self._turn:
            if retried:
                self._retried |= {retried}
            self._rewrite_accepted |= accept_rewritten
            self._rebuild_asked |= rebuild
            self._asked += 1
            mine = self._asked
            self._turn.notify_all()
            if not self._turn.wait_for(lambda: self._answered >= mine or self._stopping, timeout):
                raise BusyError(f"expected the sync to end within {timeout} s, it goes on")

    def _follow(self) -> None:
        while True:
            with self._turn:
                if self._stopping:
                    return
                asked = self._asked
            pause = self._round()
            with self._turn:
                self._answered = asked
                self._turn.notify_all()
            self._write_sources(asked)
            pause = self._fetch_what_was_seen(asked, pause)
            with self._turn:
                self._turn.wait_for(lambda: self._asked > self._answered or self._stopping, pause)

    def _fetch_what_was_seen(self, answered: int, pause: float) -> float:
        """Bring into the mirror what went live before it was fetched; how many seconds to wait until the next look.

        Whoever asks for a look meanwhile comes first, but not for long. If it fails the next looks fetch first, until
        it works again: then all is in the mirror before it is live.
        """
        until = self._fetch_until
        if until is None:
            return pause
        with self._turn:
            self._turn.wait_for(lambda: self._asked > answered or self._stopping, _QUIET_SECONDS)
            if self._asked > answered and self._clock.monotonic() < until:
                return pause
        self._fetch_until = None
        try:
            self._fetch()
        except Exception as error:  # noqa: BLE001 - told, as that of a look is
            return self._failing(error)
        return pause

    def _fetch(self) -> Revision:
        self._may_glance, self._fetch_until = False, None
        revision = self._mirror.fetch()
        self._may_glance = True
        return revision

    def _write_sources(self, answered: int) -> None:
        """Nobody waits for this: it ends when somebody asks for a look, and goes on after the next one."""
        try:
            self._builder.write_sources(lambda: self._asked > answered or self._stopping)
            self._planner.save_cache()
        except (OSError, MirrorError) as error:
            logger.warning("sources could not be written, tracebacks may lack their lines: %s", error)

    def _round(self) -> float:
        """Look once; return how many seconds to wait until the next look."""
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - told, and what is live stays live
            return self._failing(error)
        self._error = None
        self._failures_in_row = 0
        self._tell(SyncState.HELD if self._held() else SyncState.OK, self._poll_seconds)
        return self._poll_seconds

    def _failing(self, error: Exception) -> float:
        """Tell a failure; how many seconds to wait until the next look."""
        pause: float
        longest = max(_LONGEST_BACKOFF_SECONDS, self._poll_seconds)
        if isinstance(error, LivegraftError):
            self._failed(error)
            pause = min(self._poll_seconds * 2**self._failures_in_row, longest)
            pause *= random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load of many followers, no secret
        else:
            logger.error("sync failed; what is live stays live", exc_info=error)
            self._failed(LivegraftError(f"internal error: {type(error).__name__}"))
            pause = _LONGEST_BACKOFF_SECONDS
        self._tell(SyncState.FAILING, pause)
        return pause

    def _look_at_packages(self) -> None:
        self._installed.look()
        self._tell_restart_needed()

    def _tell_restart_needed(self) -> None:
        before = self._restart_needed
        self._restart_needed = (*self._installed.changes, *self._locks.changes)
        if self._restart_needed != before:
            told = [str(change) for change in self._restart_needed]
            self._events.emit("packages", "", restart_needed=told)
            for change in set(self._restart_needed).difference(before):
                logger.warning("restart needed: %s", change)

    def _failed(self, error: LivegraftError) -> None:
        if self._error is None or str(self._error) != str(error):
            logger.warning("sync failed, what is live stays live: %s", error)
        self._error = error
        self._failures_in_row = min(self._failures_in_row + 1, 10)

    def _look(self) -> None:
        self._look_at_packages()
        seen_at = self._clock.now()
        try:
            revision = self._newest()
        except MirrorError:
            if self._release is None:
                self._start_from_what_is_here(seen_at)
            raise
        fetched_at = self._clock.now()
        self._follow_to(revision, {"seen": seen_at, "fetched": fetched_at})
        self._tell_restart_needed()

    def _newest(self) -> Revision:
        """The newest commit, read where it is if it can be: fetching it would take longer than all that follows."""
        glanced = self._mirror.glance() if self._may_glance else None
        if glanced is None:
            return self._fetch()
        if self._fetch_until is None:
            self._fetch_until = self._clock.monotonic() + _LONGEST_UNFETCHED_SECONDS
        return glanced

    def _follow_to(self, revision: Revision, steps: dict[str, datetime]) -> None:
        if self._is_withheld(revision, steps):
            return
        if self._plan is not None and self._plan.revision.id == revision.id:
            self._look_again(self._plan)
            return
        self._begin(revision)
        if self._held() and self._release is not None:
            if self._rebuild_asked:
                self._rebuild(self._release.plan)
            return
        self._check_history(revision)
        self._take(revision, steps)

    def _look_again(self, plan: Plan) -> None:
        """The newest commit was taken or refused before: only packages and people's decisions can have changed."""
        asked, refused = self._rebuild_asked, self._refused
        if refused is not None:
            if (
                not refused.told.crash
                and (asked or self._builder.may_mend(refused.told.failures.values()))
                and not self._held()
            ):
                self._try(plan, refused.id, {}, whole=True)
            if self._refused is None or self._release is None:
                return
            plan = self._release.plan
        if asked:
            self._rebuild(plan)
        elif self._release is not None and self._builder.may_mend(self._release.failures.values()):
            self._mend(plan)

    def _rebuild(self, plan: Plan) -> None:
        if self._retried:
            self._mend(plan)  # what loads now is to be written down
        else:
            self._build(plan, whole=True)

    def _begin(self, newest: Revision) -> None:
        """Under ``whole`` a process starts with the release that was live last: the newest commit may be refused."""
        if self._policy is ReleasePolicy.EACH or self._release is not None:
            return
        live = self._releases.live(most_scripts=0)
        if live is None or live.revision == newest.id:
            return
        try:
            snapshot = self._mirror.snapshot(self._mirror.revision(live.revision))
        except NotFoundError:  # a mirror that was made anew from a rewritten history
            return
        self._build(self._planner.plan(snapshot))

    def _is_withheld(self, revision: Revision, steps: dict[str, datetime]) -> bool:
        """Whether the newest commit is not to be taken because processes died; what there is instead is live then."""
        self._crashes.see(revision.id)
        if self._crashes.safe_mode:
            self._show(revision)
            return True
        if self._shows_only:
            self._release = self._plan = None
            self._shows_only = False
        refused = self._refused
        if refused is not None and refused.told.crash:
            if refused.told.revision == revision.id and self._crashes.refusal(revision.id):
                return False  # known, and looked at again as any other
            self._refused = self._plan = None
        return bool(self._crashes.refusal(revision.id)) and self._withhold(revision, steps)

    def _show(self, revision: Revision) -> None:
        """Safe mode: what a commit has, from its files alone."""
        if self._shows_only and self._plan is not None and self._plan.revision.id == revision.id:
            return
        self._plan = plan = self._planner.plan(self._mirror.snapshot(revision))
        error = QuarantinedError("", 0, f"safe mode: {self._crashes.safe_mode}")
        self._release = self._builder.build_nothing(plan, error)
        self._refused, self._shows_only = None, True
        self._switch(self._release)
        self._replan(None)

    def _withhold(self, revision: Revision, steps: dict[str, datetime]) -> bool:
        """Refuse a commit that a process died of, with the last good one live; False if there is none."""
        if self._release is None:
            good = self._good_plan()
            if good is None:
                return False
            id, good_plan = good
            self._build(good_plan)
            self._releases.update(id, state=ReleaseState.LIVE)
        self._plan = plan = self._planner.plan(self._mirror.snapshot(revision))
        serving = {name: script.version.key for name, script in self._release.scripts.items()} if self._release else {}
        planned = {each.script: each.key for each in plan.modules.values() if each.is_script}
        changed = [name for name in sorted({*planned, *serving}) if planned.get(name) != serving.get(name)]
        withheld = tuple(ScriptOutcome(name, Outcome.WITHHELD, planned.get(name, "")) for name in changed)
        told = Refusal(revision.id, {}, withheld, self._crashes.refusal(revision.id))
        known = self._releases.get(revision.id)
        id = known.id if known else self._releases.add(_record_of(revision, steps))
        self._refused = _Refused(id, plan, told)
        unchanged = len(serving.keys() - set(changed))
        self._releases.update(
            id, state=ReleaseState.REFUSED, scripts=told.scripts, unchanged=unchanged, error=told.reason
        )
        self._events.emit("release", revision.id, state=ReleaseState.REFUSED.value)
        return True

    def _good_plan(self) -> tuple[int, Plan] | None:
        """The release to fall back to, with its id, if the mirror still has one."""
        for record in self._crashes.last_good():
            try:
                return record.id, self._planner.plan(self._mirror.snapshot(self._mirror.revision(record.revision)))
            except NotFoundError:  # a mirror that was made anew from a rewritten history
                continue
        return None

    def _mend(self, plan: Plan) -> None:
        """Try again what failed, for want of packages or for a person, and write what loads now into the release."""
        taken = self._releases.get(plan.revision.id)
        candidate = self._build(plan, whole=True)
        if taken is not None:
            anew = {outcome.script: outcome for outcome in candidate.outcomes}
            known = {outcome.script: outcome for outcome in taken.scripts}
            self._releases.update(taken.id, scripts=tuple((known | anew).values()))
        self._remember(candidate, self._clock.now())

    def _start_from_what_is_here(self, seen_at: datetime) -> None:
        tip = self._mirror.tip()
        if tip is not None:
            steps = {"seen": seen_at, "fetched": seen_at}
            if not self._is_withheld(tip, steps):
                self._begin(tip)
                self._take(tip, steps)

    def _check_history(self, revision: Revision) -> None:
        """Refuse a tip that does not have the live commit in its history, unless that is accepted."""
        live = self._releases.live(most_scripts=0) if self._release is None else None
        before = self._release.revision.id if self._release else (live.revision if live else None)
        accepted = self._accept_rewritten or self._rewrite_accepted
        if before is not None and not accepted and not self._mirror.is_ancestor(before, revision.id):
            raise MirrorError(
                "rewritten",
                f"expected {revision.short} to follow the live commit {before[:8]}, got a rewritten history; "
                "sync with accept-rewritten to take it",
            )
        self._rewrite_accepted = False
        self._resumes = live is not None and live.revision == revision.id

    def _take(self, revision: Revision, steps: dict[str, datetime]) -> None:
        """Make a commit live: plan, load beside, switch, drain."""
        id = self._releases.add(_record_of(revision, steps))
        try:
            snapshot = self._mirror.snapshot(revision)
            self._locks.see(snapshot.files)
            plan = self._planner.plan(snapshot)
            self._plan = plan
            steps["planned"] = self._clock.now()
            self._try(plan, id, steps)
        except Exception as error:
            self._releases.update(id, state=ReleaseState.REFUSED, steps=steps, error=str(error))
            raise

    def _try(self, plan: Plan, id: int, steps: dict[str, datetime], *, whole: bool = False) -> None:
        """Make the release of the newest commit live, or refuse it, and write down which."""
        # What failed at a key is not tried again at the same one, though that commit is not the one that is live.
        failures = self._refused.told.failures if self._refused else None
        candidate = self._build(plan, id, steps, failures=failures, policy=self._policy_for(plan.revision), whole=whole)
        if "live" in steps:
            self._refused = None
            self._record(id, candidate, steps)
        else:
            self._refuse(id, candidate, steps)
        state = ReleaseState.LIVE if self._refused is None else ReleaseState.REFUSED
        self._events.emit("release", plan.revision.id, state=state.value)

    def _policy_for(self, revision: Revision) -> ReleasePolicy:
        """A commit that was live in an earlier process was accepted: what fails now is the environment's fault."""
        if self._release is not None or self._policy is ReleasePolicy.EACH:
            return self._policy
        live = self._releases.live(most_scripts=0)
        return ReleasePolicy.EACH if live is not None and live.revision == revision.id else self._policy

    def _build(
        self,
        plan: Plan,
        id: int | None = None,
        steps: dict[str, datetime] | None = None,
        *,
        failures: Mapping[str, ScriptFailure] | None = None,
        policy: ReleasePolicy = ReleasePolicy.EACH,
        whole: bool = False,
    ) -> Candidate:
        """Build the release of a plan and switch to it, unless the policy refuses it: then no step ``live`` is set."""
        steps = {} if steps is None else steps
        whole, self._rebuild_asked = whole or self._rebuild_asked, False
        with self._turn:
            retried, self._retried = self._retried, frozenset()
        if retried:
            known = failures if failures is not None else self._release.failures if self._release else {}
            failures = {name: failure for name, failure in known.items() if name not in retried}
        # The drainer keeps still meanwhile: what the release takes back must not be half gone.
        with self._crashes.switching(plan.revision.id), self._drainer.turn:
            self._builder.forget_failures(plan, retried)
            candidate = self._builder.build(plan, self._release, self._pins(), failures=failures, whole=whole)
            steps["loaded"] = self._clock.now()
            is_refused = policy is ReleasePolicy.WHOLE and bool(candidate.release.failures)
            if not is_refused:
                self._switch(candidate.release)
                steps["live"] = self._clock.now()
                changed = [outcome.script for outcome in candidate.outcomes] if self._release is not None else None
                self._release = candidate.release
                self._crashes.went_live(plan.revision.id)
                self._replan(changed)
            roots = self._release.roots() if self._release else ()
            self._drainer.supersede(roots, lambda step, at: self._finished(id, step, at))
        if not is_refused:
            with self._turn:
                self._untold.update(
                    outcome.script
                    for outcome in candidate.outcomes
                    if outcome.outcome in (Outcome.LOADED, Outcome.REMOVED)
                )
        return candidate

    def _refuse(self, id: int, candidate: Candidate, steps: Mapping[str, datetime]) -> None:
        """Keep why a commit is not live, and what it would have changed."""
        revision, plan = candidate.release.revision, candidate.release.plan
        failed = [failed_outcome(name, failure) for name, failure in candidate.release.failures.items()]
        withheld = [
            ScriptOutcome(outcome.script, Outcome.WITHHELD, outcome.key)
            for outcome in candidate.outcomes
            if outcome.outcome not in (Outcome.FAILED, Outcome.PREPARING)
        ]
        told = Refusal(
            revision.id, candidate.release.failures, tuple(sorted([*failed, *withheld], key=lambda each: each.script))
        )
        self._refused = _Refused(id, plan, told)
        serving = self._release.scripts if self._release else {}
        unchanged = len(serving.keys() - {outcome.script for outcome in told.scripts})
        self._releases.update(
            id, state=ReleaseState.REFUSED, steps=steps, scripts=told.scripts, unchanged=unchanged, error=told.reason
        )
        self._tell_outcomes(revision, told.scripts)

    def _record(self, id: int, candidate: Candidate, steps: Mapping[str, datetime]) -> None:
        changed = self._changed(candidate)
        unchanged = len(candidate.release.scripts.keys() - {outcome.script for outcome in changed})
        self._releases.update(id, state=ReleaseState.LIVE, steps=steps, scripts=changed, unchanged=unchanged)
        self._remember(candidate, steps["loaded"])

    def _remember(self, candidate: Candidate, loaded_at: datetime) -> None:
        """Keep which versions went live, and tell what happened to each script."""
        revision = candidate.release.revision
        self._releases.add_versions(
            VersionRecord(outcome.script, outcome.key, revision.id, revision.author, revision.subject, loaded_at)
            for outcome in self._changed(candidate)
            if outcome.outcome is Outcome.LOADED
        )
        self._tell_outcomes(revision, candidate.outcomes)

    def _changed(self, candidate: Candidate) -> Sequence[ScriptOutcome]:
        """What a release did that the history does not know: what was live when the process before ended still is."""
        if not self._resumes:
            return candidate.outcomes
        known = candidate.were_live
        return tuple(
            outcome
            for outcome in candidate.outcomes
            if outcome.outcome is not Outcome.LOADED or (outcome.script, outcome.key) not in known
        )

    def _tell_outcomes(self, revision: Revision, outcomes: Iterable[ScriptOutcome]) -> None:
        for outcome in outcomes:
            self._events.emit("script", outcome.script, outcome=outcome.outcome.value)
            if outcome.outcome is Outcome.PREPARING:
                logger.info("%s@%s waits for its environment, which is being made", outcome.script, revision)
            elif outcome.failure is not None:
                said = _on_one_line(outcome.failure.message)
                logger.warning("%s@%s did not load: %s: %s", outcome.script, revision, outcome.failure.place, said)

    def _finished(self, id: int | None, step: str, at: datetime) -> None:
        if id is not None:
            self._releases.update(id, steps={step: at})

    def _tell(self, state: SyncState, pause: float) -> None:
        before, now = self._status, self._clock.now()
        self._status = SyncStatus(
            state,
            self._release.revision.id if self._release and not self._shows_only else None,
            now,
            before.succeeded_at if state is SyncState.FAILING else now,
            str(self._error) if self._error else "",
            self._error.kind if isinstance(self._error, MirrorError) else (self._error.code if self._error else ""),
            now + timedelta(seconds=pause),
        )
        if (before.state, before.error) != (state, self._status.error):
            self._events.emit("sync", self._status.revision or "", state=state.value)


def _record_of(revision: Revision, steps: Mapping[str, datetime]) -> ReleaseRecord:
    return ReleaseRecord(
        0, revision.id, revision.author, revision.subject, revision.committed_at, ReleaseState.LOADING, steps
    )


def _outcome(name: str, release: Release, *, is_news: bool) -> ScriptOutcome:
    """How a script stands: it failed, and still does; it serves, as before or since it ``is_news``; or it is gone."""
    failed, script = release.failures.get(name), release.scripts.get(name)
    if failed is not None:
        return failed_outcome(name, failed)
    version = script.version if script is not None else release.modules.get(name.replace("/", "."))
    if version is None:
        return ScriptOutcome(name, Outcome.REMOVED)
    return ScriptOutcome(name, Outcome.LOADED if is_news else Outcome.UNCHANGED, version.key)


def _on_one_line(text: str) -> str:
    """What code said, for the log: with line breaks in it, it could write lines of its own there."""
    return text if text.isprintable() else ascii(text)[1:-1]
