"""What follows from crashes of the process: strikes of versions, the last good release, safe mode.

Strikes and crashes are counted in the audit, so that a restart forgets nothing; the refusal of a commit and safe mode
are standing decisions of livegraft.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from livegraft.alarms import Alarms
from livegraft.clock import Clock
from livegraft.crash_marker import Crash, CrashMarker, UnderWay, take_crashes
from livegraft.decisions import LIVEGRAFT, Decisions
from livegraft.errors import LivegraftError, LoadError, QuarantinedError
from livegraft.run import RunRecord, RunState
from livegraft.store import ReleaseRecord, RestraintKind, Store

logger = logging.getLogger(__name__)

STRIKES: Final = 3
"""How many strikes take a version out of service."""

_LOADING, _RUNNING = "loading", "running"
_CRASH, _STRIKE, _FORGIVE = "crash", "strike", "forgive strikes"


class Crashes:
    """Judges how earlier processes ended, once at the start, and watches this one.

    A process that dies within ``settle_seconds`` of a switch (0: no death is judged) is followed by one that has the
    last good release; if that dies too, by one in safe mode. ``folder`` takes the marks of processes; ``is_loaded``
    tells of a version, by name and key, whether it is in this process.
    """

    def __init__(
        self,
        *,
        store: Store,
        decisions: Decisions,
        clock: Clock,
        folder: Path,
        settle_seconds: float,
        is_loaded: Callable[[str, str], bool],
    ) -> None:
        self.marker = CrashMarker()
        self._store = store
        self._decisions = decisions
        self._clock = clock
        self._folder = folder
        self._settle_seconds = settle_seconds
        self._is_loaded = is_loaded
        self._asked_safe = ""
        self._strikes: dict[tuple[str, str, str], int] = {}
        self._suspects: dict[str, str] = {}
        self._live = self._watched = ""
        self._switches = 0
        # A thread of its own and none for each switch: a thread refers to the hooks that versions set before it began.
        self._alarms = Alarms(
            clock=clock,
            ring=self._settle,
            is_wanted=lambda revision: revision == self._watched,
            name="livegraft-settle",
        )

    # -- life ------------------------------------------------------------------------------

    def start(self, *, safe: bool) -> None:
        """Draw the consequences of crashes, and begin to mark. With ``safe`` this process stays in safe mode."""
        self._asked_safe = "it was started with --safe" if safe else ""
        self._strikes = dict(self._read_strikes())
        crashes = take_crashes(self._folder)
        if self._settle_seconds:
            self._judge(crashes)
            self.marker.open(self._folder)
            self._alarms.start()

    def stop(self) -> None:
        """The process is being stopped: whatever ends it from now on is no crash."""
        self.marker.close()
        self._alarms.stop()

    # -- what is in force --------------------------------------------------------------------

    @property
    def safe_mode(self) -> str:
        """Why no code of scripts is loaded, or ""."""
        decided = self._decisions.safe_mode
        return decided.reason if decided else self._asked_safe

    def refusal(self, revision: str) -> str:
        """Why a commit is refused, or ""."""
        refused = self._decisions.refused_commits.get(revision)
        return refused.reason if refused else ""

    def refusal_to_load(self, name: str, key: str, path: str) -> LoadError | None:
        """Why a version, by the dotted name of its module, may not be loaded."""
        if self._strikes.get((_LOADING, name.replace(".", "/"), key), 0) < STRIKES:
            return None
        reason = f"{STRIKES} processes died while they loaded this version: it is tried again when it changes"
        return QuarantinedError(path, 0, reason)

    def suspicion(self, run: str) -> str:
        """What is said of a run that was under way when its process died, or ""."""
        return self._suspects.get(run, "")

    def last_good(self) -> Iterator[ReleaseRecord]:
        """The releases to fall back to, best first: that proved themselves, then that were live and killed nothing."""
        died = {row.subject for row in self._store.audit.find(action=_CRASH, limit=100)}
        settled = [self._store.releases.get(revision) for revision, _ in self._store.releases.settled()]
        yield from (record for record in settled if record is not None)
        for record in self._store.releases.find(limit=200):
            if "live" in record.steps and record.revision not in died:
                yield record

    # -- what lifts it -----------------------------------------------------------------------

    def see(self, revision: str) -> None:
        """The newest commit. Another one than those that processes died of is taken, and what they led to ends."""
        safe, refused = self._decisions.safe_mode, self._decisions.refused_commits
        if revision not in refused and not (safe and safe.revision == revision):
            self._lift_all(LIVEGRAFT, f"commit {revision[:8]} is taken")

    def resume(self, actor: str) -> bool:
        """Leave safe mode and refuse no commit any more; False if there was nothing of that."""
        asked, self._asked_safe = self._asked_safe, ""
        return self._lift_all(actor, "") or bool(asked)

    def ended_well(self, run: RunRecord) -> None:
        """The end of a run is in the store: if it succeeded its version has no strikes any more."""
        if run.state is RunState.SUCCEEDED and (_RUNNING, run.script, run.key) in self._strikes:
            self._forgive(_RUNNING, run.script, run.key, "a run succeeded")

    def _lift_all(self, actor: str, reason: str) -> bool:
        lifted = False
        if self._decisions.safe_mode:
            lifted |= self._decisions.lift(RestraintKind.SAFE_MODE, "", actor=actor, reason=reason)
        for revision in self._decisions.refused_commits:
            lifted |= self._decisions.lift(RestraintKind.REFUSE_COMMIT, revision, actor=actor, reason=reason)
        return lifted

    # -- watching this process -----------------------------------------------------------------

    @contextmanager
    def switching(self, revision: str) -> Iterator[None]:
        """While the release of a revision is loaded and switched to: a process that dies meanwhile died of it."""
        self.marker.switched(revision)
        try:
            yield
        finally:
            self.marker.switched(self._watched)

    def went_live(self, revision: str) -> None:
        """A release of this revision is live: if it is another than before, it has to prove itself."""
        if revision == self._live or not self._settle_seconds:
            return
        self._live = self._watched = revision
        self._switches += 1
        self._alarms.set(self._settle_seconds, revision, str(self._switches))

    def _settle(self, revision: str, switch: str) -> None:
        """The release that a switch made live has proved itself, unless there was another one since."""
        if switch != str(self._switches):
            return
        self._watched = ""
        self.marker.switched("")
        try:
            record = self._store.releases.get(revision)
            if record is not None:
                self._store.releases.update(record.id, steps={"settled": self._clock.now()})
            if self.refusal(revision):  # it was taken again for want of another
                self._decisions.lift(RestraintKind.REFUSE_COMMIT, revision, actor=LIVEGRAFT, reason="it proved itself")
            for doing, name, key in list(self._strikes):
                if doing == _LOADING and self._is_loaded(name.replace("/", "."), key):
                    self._forgive(doing, name, key, "it was loaded")
        except LivegraftError as error:
            logger.warning("that commit %s proved itself could not be written: %s", revision[:8], error)

    # -- judging those that died ---------------------------------------------------------------

    def _judge(self, crashes: Sequence[Crash]) -> None:
        told: set[str] = set()
        for crash in crashes:
            is_found = self._strike(crash)
            if crash.revision and crash.revision in told:
                continue  # several processes that died of one commit count once
            told.add(crash.revision)
            self._tell(crash)
            if crash.revision and not is_found:
                self._blame(crash.revision)

    def _blame(self, revision: str) -> None:
        """A process died soon after a switch, and no version was taken out of service for it."""
        settled = self._store.releases.settled()
        since = [each for each in self._decisions.refused_commits.values() if not settled or each.at > settled[0][1]]
        if since:
            reason = f"{since[0].reason}, and died again soon after it began with commit {revision[:8]}"
            logger.error("safe mode, no code of scripts is loaded: %s", reason)
            self._decisions.put(RestraintKind.SAFE_MODE, "", actor=LIVEGRAFT, reason=reason, revision=revision)
        elif revision not in {each for each, _ in settled}:
            reason = f"the process died soon after it switched to commit {revision[:8]}"
            logger.warning("%s: it is refused, if there is a good one before it", reason)
            self._decisions.put(
                RestraintKind.REFUSE_COMMIT, revision, actor=LIVEGRAFT, reason=reason, revision=revision
            )

    def _tell(self, crash: Crash) -> None:
        detail = {
            "process": crash.process,
            _LOADING: [each.name for each in crash.loading],
            _RUNNING: [each.name for each in crash.running],
        }
        logger.warning("process %s died: loading %s, running %s", *detail.values())
        self._store.audit.add(self._clock.now(), LIVEGRAFT, _CRASH, crash.revision, detail)

    # -- strikes -------------------------------------------------------------------------------

    def _strike(self, crash: Crash) -> bool:
        """Give strikes for a crash; whether one was the last that a version is allowed.

        Beside a load no run is suspected. Of several runs that come to their last strike the one that began last is
        quarantined: most likely it did it, and if not, the next crash finds another.
        """
        doing, suspects = (_LOADING, crash.loading) if crash.loading else (_RUNNING, crash.running)
        done = [each for each in suspects if self._give_strike(doing, each, crash) >= STRIKES]
        if done and doing == _RUNNING:
            last = done[-1]
            self._decisions.put(
                RestraintKind.QUARANTINE,
                last.name,
                actor=LIVEGRAFT,
                reason=f"{STRIKES} processes died while they ran this version",
                key=last.key,
                revision=last.revision,
            )
        return bool(done)

    def _give_strike(self, doing: str, version: UnderWay, crash: Crash) -> int:
        number = self._strikes.get((doing, version.name, version.key), 0) + 1
        self._strikes[doing, version.name, version.key] = number
        if doing == _RUNNING:
            others = len(crash.running) - 1
            beside = f", with {others} other {'run' if others == 1 else 'runs'} under way" if others else ""
            self._suspects[version.where] = f"strike {number} of {STRIKES} for its version{beside}"
        logger.warning("strike %d of %d for %s, which a process died %s", number, STRIKES, version.name, doing)
        detail = {"doing": doing, "key": version.key, "number": number, "process": crash.process}
        self._store.audit.add(self._clock.now(), LIVEGRAFT, _STRIKE, version.name, detail)
        return number

    def _forgive(self, doing: str, name: str, key: str, reason: str) -> None:
        del self._strikes[doing, name, key]
        detail = {"doing": doing, "key": key, "reason": reason}
        self._store.audit.add(self._clock.now(), LIVEGRAFT, _FORGIVE, name, detail)

    def _read_strikes(self) -> Mapping[tuple[str, str, str], int]:
        """Those in force: since the last was forgiven, or a person put the script back into service."""
        found: dict[tuple[str, str, str], int] = {}
        rows = self._store.audit.find(action=_STRIKE, limit=500)
        for name in {row.subject for row in rows}:
            forgiven = {
                (row.detail["doing"], row.detail["key"]): row.at
                for row in reversed(self._store.audit.find(action=_FORGIVE, subject=name, limit=100))
            }
            released = self._last(f"lift {RestraintKind.QUARANTINE.value}", name)
            for row in rows:
                doing, key = row.detail["doing"], row.detail["key"]
                ends = [forgiven.get((doing, key)), released if doing == _RUNNING else None]
                if row.subject == name and all(end is None or row.at > end for end in ends):
                    found[doing, name, key] = found.get((doing, name, key), 0) + 1
        return found

    def _last(self, action: str, subject: str) -> datetime | None:
        rows = self._store.audit.find(action=action, subject=subject, limit=1)
        return rows[0].at if rows else None
