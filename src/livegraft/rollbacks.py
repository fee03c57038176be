"""Rolling back a whole release: every script of it is pinned to the version that was live before it, in one switch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from livegraft.catalog import ScriptStatus
from livegraft.decisions import Decisions
from livegraft.errors import ConflictError, LoadError, NotFoundError
from livegraft.events import Events
from livegraft.overview import Overview
from livegraft.revision import SHORT
from livegraft.store import Outcome, ReleaseRecord, Releases, Restraint, VersionRecord

NAMED: Final = 100
"""So many scripts are named in the audit; of more it tells the number."""

_MARK: Final = "roll back of "
"""How the reason of a pin begins that a roll back made; the short revision follows."""


@dataclass(frozen=True, slots=True)
class Return:
    """A script goes back from the key that serves now, "" when none does, to a version."""

    script: str
    now: str
    to: VersionRecord


@dataclass(frozen=True, slots=True)
class Remains:
    """A script of the release that a roll back leaves as it is, and why."""

    script: str
    why: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """What rolling back a release changes, and what it does not."""

    release: ReleaseRecord
    returns: Sequence[Return]
    remains: Sequence[Remains]


class RollBacks:
    """Pins and unpins the scripts of releases; ``rebuild`` makes what was decided live, in one switch."""

    def __init__(
        self,
        *,
        releases: Releases,
        decisions: Decisions,
        overview: Overview,
        rebuild: Callable[[], None],
        events: Events,
    ) -> None:
        self._releases = releases
        self._decisions = decisions
        self._overview = overview
        self._rebuild = rebuild
        self._events = events

    def plan(self, revision: str) -> RollBack:
        """What a roll back would do, of a release by its revision, which may be shortened. Raises NotFoundError."""
        release = self._release(revision)
        brought = [each for each in release.scripts if each.outcome is Outcome.LOADED]
        gone = [each for each in release.scripts if each.outcome is Outcome.REMOVED]
        before = self._releases.keys_before(release.id, {each.script for each in brought})
        pinned = set(self.pinned(release))
        # A process that starts loads all, as it was before too.
        loaded = [each for each in brought if before.get(each.script) != each.key and each.script not in pinned]
        versions = self._releases.known(before.items())
        scripts = {status.name: status for status in self._overview.scripts(each.script for each in loaded)}
        found = []
        for each in loaded:
            key = before.get(each.script, "")
            found.append(_look(each.script, scripts.get(each.script), key, versions.get((each.script, key))))
        remains = [each for each in found if isinstance(each, Remains)]
        remains += [Remains(each.script, "it was removed: a commit brings it back") for each in gone]
        return RollBack(release, [each for each in found if isinstance(each, Return)], remains)

    def roll_back(self, revision: str, *, actor: str, reason: str = "") -> RollBack:
        """Pin every script of a release to the version that was live before it: all of them, or none.

        Raises NotFoundError, ConflictError when nothing of it can go back, and LoadError when a version does not
        load any more.
        """
        plan = self.plan(revision)
        if not plan.returns and self.pinned(plan.release):
            raise ConflictError(f"expected release {_short(plan.release)} not to be rolled back, it is already")
        if not plan.returns:
            raise ConflictError(
                f"expected release {_short(plan.release)} to have brought a version in place of another, there is "
                "nothing to go back to"
            )
        told = {"reason": reason} | _named([each.script for each in plan.returns])
        pinned = f"{_mark(plan.release)}{': ' if reason else ''}{reason}"
        self._decisions.pin_all(
            [each.to for each in plan.returns], actor=actor, reason=pinned, subject=plan.release.revision, detail=told
        )
        self._rebuild()
        self._check(plan, actor)
        self._tell((each.script for each in plan.returns), pinned=True)
        return plan

    def undo(self, revision: str, *, actor: str) -> Sequence[str]:
        """Unpin every script that a roll back of a release pinned: they follow the repository again; which they are.

        Raises NotFoundError, and ConflictError when no script is pinned by one.
        """
        release = self._release(revision)
        scripts = self.pinned(release)
        if not scripts:
            raise ConflictError(f"expected release {_short(release)} to be rolled back, it is not")
        self._unpin(release, scripts, actor)
        self._tell(scripts, pinned=False)
        return scripts

    def counts(self) -> Mapping[str, int]:
        """How many scripts are pinned because a release was rolled back, by its short revision."""
        found = Counter(pin.reason.partition(":")[0] for pin in self._decisions.pins.values())
        return {mark.removeprefix(_MARK): count for mark, count in found.items() if mark.startswith(_MARK)}

    def pinned(self, release: ReleaseRecord) -> Sequence[str]:
        """The scripts that are pinned because a release was rolled back, by name."""
        return sorted(name for name, pin in self._decisions.pins.items() if _is_of(pin, release))

    def _release(self, revision: str) -> ReleaseRecord:
        found = self._releases.named(revision) if revision else None
        if found is None:
            raise NotFoundError("release", revision)
        return found

    def _check(self, plan: RollBack, actor: str) -> None:
        """All that was pinned is live, or nothing of it stays pinned."""
        wanted = {each.script: each.to.key for each in plan.returns}
        live = {each.name: each.version.key if each.version else "" for each in self._overview.scripts(wanted)}
        failed = [name for name, key in wanted.items() if live.get(name) != key]
        if not failed:
            return
        statuses = {each.name: each for each in self._overview.scripts(failed)}
        self._unpin(plan.release, list(wanted), actor)
        name = failed[0]
        error = statuses[name].error if name in statuses else None
        why = error.failure.message if error else "it did not load"
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise LoadError(
            f"{name}.py", 0, f"expected version {wanted[name][:SHORT]} to load, got: {why}{more}; nothing was changed"
        )

    def _unpin(self, release: ReleaseRecord, scripts: Sequence[str], actor: str) -> None:
        self._decisions.unpin_all(scripts, actor=actor, subject=release.revision, detail=_named(scripts))
        self._rebuild()

    def _tell(self, scripts: Iterable[str], *, pinned: bool) -> None:
        for name in scripts:
            self._events.emit("script", name, pinned=pinned)


def _look(script: str, status: ScriptStatus | None, key: str, version: VersionRecord | None) -> Return | Remains:
    """Whether a script goes back to a ``version``, the one with the key that was live before, or why not."""
    if status is None:
        return Remains(script, "it is not in the repository any more")
    if status.pin is not None:
        return Remains(script, f"it is pinned by {status.pin.actor}")
    if not key:
        return Remains(script, "no version of it was live before; quarantine it to have it take no runs")
    if version is None:
        return Remains(script, "the version before is not in the history any more")
    now = status.version.key if status.version else ""
    return Remains(script, "it is back at the version before") if now == key else Return(script, now, version)


def _mark(release: ReleaseRecord) -> str:
    return f"{_MARK}{_short(release)}"


def _is_of(pin: Restraint, release: ReleaseRecord) -> bool:
    return pin.reason.partition(":")[0] == _mark(release)


def _short(release: ReleaseRecord) -> str:
    return release.revision[:SHORT]


def _named(scripts: Sequence[str]) -> dict[str, object]:
    return {"scripts": list(scripts[:NAMED]), "count": len(scripts)}
