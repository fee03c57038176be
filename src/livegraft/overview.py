"""What is here now, for people: scripts and versions with their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import nsmallest
from itertools import islice
from typing import Any, Final

from livegraft.catalog import (
    Forecast,
    Imports,
    LiveVersion,
    NewerVersion,
    Refusal,
    ScheduleStatus,
    ScriptEnvironment,
    ScriptFailure,
    ScriptState,
    ScriptStatus,
    VersionStatus,
)
from livegraft.decisions import Decisions
from livegraft.drainer import Drainer
from livegraft.loader import Loader
from livegraft.release import LiveScript, Release
from livegraft.schedule import Schedule
from livegraft.version import Version, VersionState

_YEAR: Final = timedelta(days=365)


def _takes_nothing() -> Mapping[str, Any]:
    return {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class _Now:
    """What serves, what failed, and what the repository has beyond what serves: of the release and of a refusal."""

    scripts: Mapping[str, LiveScript]
    modules: Mapping[str, Version]
    failures: Mapping[str, ScriptFailure]
    newer: Mapping[str, NewerVersion]


class Overview:
    """Answers from the release, the loader and the decisions in force. ``next_at`` asks the ticker.

    ``refusal`` is the newest commit while it is refused as a whole: its scripts are told beside those that serve.
    """

    def __init__(
        self,
        *,
        release: Callable[[], Release | None],
        refusal: Callable[[], Refusal | None],
        loader: Loader,
        drainer: Drainer,
        decisions: Decisions,
        next_at: Callable[[str], Iterable[tuple[Schedule, datetime]]],
    ) -> None:
        self._release = release
        self._refusal = refusal
        self._loader = loader
        self._drainer = drainer
        self._decisions = decisions
        self._next_at = next_at

    def scripts(self, names: Iterable[str] | None = None) -> Sequence[ScriptStatus]:
        """The named scripts, as far as they are there; None: every one, by name, those that never loaded too."""
        now = self._now()
        wanted = sorted({*now.scripts, *now.failures}) if names is None else names
        return [self._script(name, now) for name in wanted if name in now.scripts or name in now.failures]

    def names(self) -> Sequence[str]:
        """Of every script, in order."""
        now = self._now()
        return sorted({*now.scripts, *now.failures})

    def tagged(self, tag: str) -> Iterable[str]:
        """The live scripts that have a tag."""
        release = self._release()
        return [name for name, script in release.scripts.items() if tag in script.header.tags] if release else ()

    def tags(self) -> Sequence[str]:
        """Every tag of a live script, in order."""
        release = self._release()
        return sorted({tag for script in release.scripts.values() for tag in script.header.tags}) if release else ()

    def imports(self, name: str) -> Imports:
        """What a live script imports from the repository, and what of the repository imports it."""
        release = self._release()
        script = release.scripts.get(name) if release else None
        if release is None or script is None:
            return Imports((), ())
        imported = [each.path for each in script.version.planned.imports.values() if each.blob]
        importing = [each.path for each in release.plan.modules.values() if script.version.name in each.imports]
        return Imports(tuple(sorted(imported)), tuple(sorted(importing)))

    def failures(self) -> Mapping[str, ScriptFailure]:
        """Why the newest version of each is not live, by script: of the release, and of a commit that is refused."""
        release, refusal = self._release(), self._refusal()
        failures = release.failures if release else {}
        return failures if refusal is None else {**failures, **refusal.failures}

    def failure_count(self) -> int:
        """Of how many scripts the newest version did not load."""
        return sum(not failure.is_pending for failure in self.failures().values())

    def failing(self) -> Sequence[ScriptStatus]:
        """The scripts whose newest version did not load, the last one first."""
        now = self._now()
        failures = sorted(now.failures.items(), key=lambda each: each[1].at, reverse=True)
        return [self._script(name, now) for name, failure in failures if not failure.is_pending]

    def behind(self) -> Sequence[ScriptStatus]:
        """The scripts whose newest version is not live, by name."""
        now = self._now()
        return [self._script(name, now) for name in sorted(now.newer) if name in now.scripts or name in now.failures]

    def script(self, name: str) -> ScriptStatus | None:
        now = self._now()
        return self._script(name, now) if name in now.scripts or name in now.failures else None

    def forecast(self, name: str, now: datetime, count: int) -> Sequence[Forecast]:
        """The next due times of each cron line of a live script."""
        release = self._release()
        script = release.scripts.get(name) if release else None
        return [
            Forecast(
                schedule.cron,
                schedule.timezone,
                tuple(islice(schedule.between(now, datetime.max.replace(tzinfo=UTC)), count)),
                tuple(schedule.clock_changes(now, now + _YEAR)),
            )
            for schedule in (script.header.schedules if script else ())
        ]

    def versions(self) -> Sequence[VersionStatus]:
        """Every version in the process and those that left lately, newest change first."""
        users = self._live_users()
        versions = [*self._loader.versions, *self._drainer.unloaded]
        versions.sort(key=lambda version: version.since, reverse=True)
        return [_version_status(version, users) for version in versions if version.planned.blob]

    def first_versions(
        self, order: Sequence[VersionState], *, state: str, limit: int
    ) -> tuple[Mapping[VersionState, int], Sequence[VersionStatus]]:
        """How many versions there are in each state, and the first of them (or of one state), by state and name.

        There are as many as scripts: those that are not asked for cost nothing but to be counted.
        """
        versions = [each for each in (*self._loader.versions, *self._drainer.unloaded) if each.planned.blob]
        counts = Counter(version.state for version in versions)
        rank = {each: place for place, each in enumerate(order)}
        found = [version for version in versions if state in ("", version.state)]
        shown = nsmallest(limit, found, key=lambda version: (rank[version.state], version.name))
        users = self._live_users({(version.name, version.key) for version in shown})
        return counts, [_version_status(version, users) for version in shown]

    def version(self, version: Version) -> VersionStatus:
        return _version_status(version, self._live_users())

    def _now(self) -> _Now:
        release, refusal = self._release(), self._refusal()
        failures = release.failures if release else {}
        newer = {name: NewerVersion(failed.key, failed.revision, failed) for name, failed in failures.items()}
        if refusal is not None:
            failures = {**failures, **refusal.failures}
            for each in refusal.scripts:
                newer[each.script] = NewerVersion(each.key, refusal.revision, refusal.failures.get(each.script))
        return _Now(release.scripts if release else {}, release.modules if release else {}, failures, newer)

    def _script(self, name: str, now: _Now) -> ScriptStatus:
        script = now.scripts.get(name)
        quarantine = self._decisions.quarantines.get(name)
        # A module that the host called or requires may have failed too: it serves the host, and cannot be run.
        serving = script.version if script else now.modules.get(name.replace("/", "."))
        error = now.failures.get(name)
        waits = ScriptState.PREPARING if error is not None and error.is_pending else ScriptState.FAILED
        state = ScriptState.LIVE if script else waits
        return ScriptStatus(
            name=name,
            state=ScriptState.QUARANTINED if quarantine else state,
            description=script.description if script else "",
            owner=script.header.owner if script else "",
            tags=script.header.tags if script else (),
            schedules=self._schedules(script) if script else (),
            version=live_version(serving) if serving else None,
            error=error,
            quarantine=quarantine,
            pin=self._decisions.pins.get(name),
            pause=self._decisions.pauses.get(name),
            describe=partial(getattr, script.parameters, "schema") if script else _takes_nothing,
            header=script.header.given if script else {},
            is_async=script.is_async if script else False,
            newer=now.newer.get(name),
            isolated=script.isolated if script else "",
            place=script.place if script else "",
            environment=_environment(script) if script else None,
        )

    def _schedules(self, script: LiveScript) -> tuple[ScheduleStatus, ...]:
        # The slots of a script that is quarantined or paused are skipped: none of them is the next that it runs at.
        is_suspended = script.name in self._decisions.quarantines or script.name in self._decisions.pauses
        due = {} if is_suspended else dict(self._next_at(script.name))
        return tuple(
            ScheduleStatus(schedule.cron, schedule.timezone, schedule.words(), due.get(schedule))
            for schedule in script.header.schedules
        )

    def _live_users(self, wanted: Container[tuple[str, str]] | None = None) -> Mapping[tuple[str, str], list[str]]:
        """(module, key) -> the live scripts whose code can come to it; for all, or those that are wanted."""
        users: dict[tuple[str, str], list[str]] = {}
        release = self._release()
        for script in release.scripts.values() if release else ():
            for planned in script.version.reach.values():
                if wanted is None or (planned.name, planned.key) in wanted:
                    users.setdefault((planned.name, planned.key), []).append(script.name)
        return users


def _environment(script: LiveScript) -> ScriptEnvironment | None:
    made = script.environment
    return ScriptEnvironment(made.key, made.packages) if made is not None else None


def live_version(version: Version) -> LiveVersion:
    """A version that serves, for people."""
    return LiveVersion(version.key, version.revision, version.loaded_at or version.since)


def _version_status(version: Version, users: Mapping[tuple[str, str], list[str]]) -> VersionStatus:
    gone = version.state in (VersionState.UNLOADED, VersionState.FAILED)
    return VersionStatus(
        name=version.name,
        path=version.path,
        key=version.key,
        revision=version.revision,
        state=version.state,
        since=version.since,
        loaded_at=version.loaded_at,
        object_count=version.object_count,
        holders=version.holders,
        stacks=version.stacks,
        undone=version.undone,
        error=str(version.failure or ""),
        scripts=() if gone else tuple(users.get((version.name, version.key), ())),
    )
