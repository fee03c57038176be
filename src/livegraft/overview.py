"""What is here now, for people: scripts and versions with their states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from livegraft.catalog import LiveVersion, ScheduleStatus, ScriptState, ScriptStatus, VersionStatus
from livegraft.decisions import Decisions
from livegraft.drainer import Drainer
from livegraft.loader import Loader
from livegraft.release import LiveScript, Release
from livegraft.schedule import Schedule
from livegraft.version import Version, VersionState

_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


class Overview:
    """Answers from the release, the loader and the decisions in force. ``next_at`` asks the ticker."""

    def __init__(
        self,
        *,
        release: Callable[[], Release | None],
        loader: Loader,
        drainer: Drainer,
        decisions: Decisions,
        next_at: Callable[[str], Iterable[tuple[Schedule, datetime]]],
    ) -> None:
        self._release = release
        self._loader = loader
        self._drainer = drainer
        self._decisions = decisions
        self._next_at = next_at

    def scripts(self) -> Sequence[ScriptStatus]:
        """Every script of the release, by name; those that never loaded too."""
        release = self._release()
        if release is None:
            return ()
        return [self._script(release, name) for name in sorted({*release.scripts, *release.failures})]

    def script(self, name: str) -> ScriptStatus | None:
        release = self._release()
        if release is None or (name not in release.scripts and name not in release.failures):
            return None
        return self._script(release, name)

    def versions(self) -> Sequence[VersionStatus]:
        """Every version in the process and those that left lately, newest change first."""
        users = self._live_users()
        versions = [*self._loader.versions, *self._drainer.unloaded]
        versions.sort(key=lambda version: version.since, reverse=True)
        return [_version_status(version, users) for version in versions if version.planned.blob]

    def _script(self, release: Release, name: str) -> ScriptStatus:
        script = release.scripts.get(name)
        quarantine = self._decisions.quarantines.get(name)
        # A module that the host requires may have failed here too; it serves the host, if not as a script.
        serving = script.version if script else release.modules.get(name.replace("/", "."))
        state = ScriptState.LIVE if serving else ScriptState.FAILED
        return ScriptStatus(
            name=name,
            state=ScriptState.QUARANTINED if quarantine else state,
            description=script.description if script else "",
            owner=script.header.owner if script else "",
            tags=script.header.tags if script else (),
            schedules=self._schedules(script) if script else (),
            version=_live_version(serving) if serving else None,
            error=release.failures.get(name),
            quarantine=quarantine,
            pin=self._decisions.pins.get(name),
            parameters=script.parameters.schema if script else _NOTHING,
            header=script.header.given if script else {},
            is_async=script.is_async if script else False,
        )

    def _schedules(self, script: LiveScript) -> tuple[ScheduleStatus, ...]:
        # The slots of a quarantined script are skipped: none of them is the next that it runs at.
        due = {} if script.name in self._decisions.quarantines else dict(self._next_at(script.name))
        return tuple(
            ScheduleStatus(schedule.cron, schedule.timezone, schedule.words(), due.get(schedule))
            for schedule in script.header.schedules
        )

    def _live_users(self) -> Mapping[tuple[str, str], list[str]]:
        """(module, key) -> the live scripts whose code can come to it."""
        users: dict[tuple[str, str], list[str]] = {}
        release = self._release()
        for script in release.scripts.values() if release else ():
            for planned in script.version.reach.values():
                users.setdefault((planned.name, planned.key), []).append(script.name)
        return users


def _live_version(version: Version) -> LiveVersion:
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
        error=str(version.failure or ""),
        scripts=() if gone else tuple(users.get((version.name, version.key), ())),
    )
