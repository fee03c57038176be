"""Standing decisions, of people and of livegraft: quarantine a script, pin it to a version, hold the repository."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from livegraft.clock import Clock
from livegraft.store import Restraint, RestraintKind, Store, VersionRecord

LIVEGRAFT: Final = "livegraft"
"""The actor of what no person decided."""

_FOR_ALL: Final = (RestraintKind.QUARANTINE, RestraintKind.PIN, RestraintKind.PAUSE, RestraintKind.HOLD)
"""What holds in every process at once; refused commits and safe mode concern those that start."""


class Decisions:
    """The decisions in force, in memory and in the store; every change leaves an audit row."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._by_kind = self._kept()
        self._last_audit = -1

    @property
    def quarantines(self) -> Mapping[str, Restraint]:
        """By script."""
        return self._by_kind[RestraintKind.QUARANTINE]

    @property
    def pins(self) -> Mapping[str, Restraint]:
        """By script."""
        return self._by_kind[RestraintKind.PIN]

    @property
    def pauses(self) -> Mapping[str, Restraint]:
        """By script."""
        return self._by_kind[RestraintKind.PAUSE]

    @property
    def refused_commits(self) -> Mapping[str, Restraint]:
        """By revision."""
        return self._by_kind[RestraintKind.REFUSE_COMMIT]

    @property
    def safe_mode(self) -> Restraint | None:
        return self._by_kind[RestraintKind.SAFE_MODE].get("")

    @property
    def hold(self) -> Restraint | None:
        return self._by_kind[RestraintKind.HOLD].get("")

    def put(
        self, kind: RestraintKind, subject: str, *, actor: str, reason: str = "", key: str = "", revision: str = ""
    ) -> None:
        """Make a decision, or replace the one of this kind on this subject."""
        restraint = Restraint(kind, subject, actor, self._clock.now(), reason, key, revision)
        with self._lock:
            self._store.restraints.put(restraint)
            self._by_kind[kind] = {**self._by_kind[kind], subject: restraint}
        detail = {"reason": reason, "key": key} if key else {"reason": reason}
        self._store.audit.add(restraint.at, actor, kind.value, subject, detail)

    def lift(self, kind: RestraintKind, subject: str, *, actor: str, reason: str = "") -> bool:
        """Lift a decision; False when there was none."""
        with self._lock:
            found = self._store.restraints.drop(kind, subject)
            self._by_kind[kind] = {name: kept for name, kept in self._by_kind[kind].items() if name != subject}
        if found:
            self._store.audit.add(
                self._clock.now(), actor, f"lift {kind.value}", subject, {"reason": reason} if reason else {}
            )
        return found

    def learn(self) -> Mapping[RestraintKind, Collection[str]]:
        """Take over what was decided in other processes on the store; the subjects of what changed, by kind."""
        # Every decision leaves a row of the audit, after its own: without a new one there is nothing to read.
        last = next((row.id for row in self._store.audit.find(limit=1)), 0)
        if last == self._last_audit:
            return {}
        changed: dict[RestraintKind, Collection[str]] = {}
        with self._lock:
            found = self._kept()
            for kind in _FOR_ALL:
                before, now = self._by_kind[kind], found[kind]
                if subjects := {each for each in {*before, *now} if before.get(each) != now.get(each)}:
                    changed[kind], self._by_kind[kind] = subjects, now
        self._last_audit = last
        return changed

    def _kept(self) -> dict[RestraintKind, dict[str, Restraint]]:
        kept: dict[RestraintKind, dict[str, Restraint]] = {kind: {} for kind in RestraintKind}
        for restraint in self._store.restraints.all():
            kept[restraint.kind][restraint.subject] = restraint
        return kept

    def pin_all(
        self,
        versions: Iterable[VersionRecord],
        *,
        actor: str,
        reason: str,
        subject: str,
        detail: Mapping[str, object],
    ) -> None:
        """Pin many scripts because a release, the ``subject``, is rolled back: at once, with one row of the audit."""
        now = self._clock.now()
        pins = [
            Restraint(RestraintKind.PIN, each.script, actor, now, reason, each.key, each.revision) for each in versions
        ]
        with self._lock:
            self._store.restraints.put(*pins)
            kept = self._by_kind[RestraintKind.PIN]
            self._by_kind[RestraintKind.PIN] = {**kept, **{pin.subject: pin for pin in pins}}
        self._store.audit.add(now, actor, "roll back", subject, detail)

    def unpin_all(self, scripts: Collection[str], *, actor: str, subject: str, detail: Mapping[str, object]) -> None:
        """The reverse."""
        with self._lock:
            self._store.restraints.drop(RestraintKind.PIN, *scripts)
            kept = self._by_kind[RestraintKind.PIN]
            self._by_kind[RestraintKind.PIN] = {name: pin for name, pin in kept.items() if name not in scripts}
        self._store.audit.add(self._clock.now(), actor, "undo roll back", subject, detail)
