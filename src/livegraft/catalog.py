"""What people are told about scripts, versions and syncing: values, made by the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from livegraft.run import RunFailure
from livegraft.schedule import ClockChange
from livegraft.store import Outcome, ReleaseState, Restraint, ScriptOutcome
from livegraft.version import VersionState
from livegraft.zone_files import zone_of

PENDING: Final = "environment_pending"
"""The code of what stands for a failure while an environment is being made."""


class ScriptState(StrEnum):
    """``live``: a version serves; ``failed``: none does; ``quarantined``: a person took it out of service.

    ``preparing``: none does yet, its environment is being made.
    """

    LIVE = "live"
    PREPARING = "preparing"
    FAILED = "failed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """One cron line, in words, and its next due time (None while it does not run)."""

    cron: str
    timezone: str
    words: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Imports:
    """Files of the repository, by path: what one imports itself, and what imports it."""

    imports: tuple[str, ...]
    imported_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next due times of one cron line, and the changes of its zone's clocks within a year that touch some."""

    cron: str
    timezone: str
    upcoming: tuple[datetime, ...]
    clock_changes: tuple[ClockChange, ...]

    @property
    def upcoming_local(self) -> Sequence[tuple[datetime, str]]:
        """Each with what the clock of its zone reads then: ``Sun 2026-03-29 03:00:00 +0200``."""
        zone = zone_of(self.timezone)
        return [(at, f"{at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z}") for at in self.upcoming]


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version that serves: its key, the revision that brought it, when it was loaded here."""

    key: str
    revision: str
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class ScriptFailure:
    """Why the newest commit's version of a script is not live; the last good one may still serve.

    ``generation`` is that of the installed packages when these are why: with others it is tried again. ``awaits`` is
    how far its environment was when that is why (``livegraft.environment.Ticket``).
    """

    revision: str
    author: str
    at: datetime
    failure: RunFailure
    key: str = ""
    generation: int | None = None
    awaits: tuple[str, str, int] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether nothing failed: its environment is being made."""
        return self.failure.type == PENDING


@dataclass(frozen=True, slots=True)
class Refusal:
    """The newest commit, while it is not live: not all of it loads (``release="whole"``), or a process died of it.

    ``scripts`` are those that failed, with modules that the host calls, and those that it would have changed;
    ``failures`` are the scripts' only. ``crash`` tells of the process that died.
    """

    revision: str
    failures: Mapping[str, ScriptFailure]
    scripts: tuple[ScriptOutcome, ...]
    crash: str = ""

    @property
    def reason(self) -> str:
        if self.crash:
            return self.crash
        count = sum(each.outcome is Outcome.FAILED for each in self.scripts)
        if not count:
            return "expected all of the commit to load: environments of its scripts are being made"
        return f"expected all of the commit to load, got: {count} {'failure' if count == 1 else 'failures'}"


@dataclass(frozen=True, slots=True)
class NewerVersion:
    """What the repository has of a script beyond the version that serves: it failed, or its commit was refused.

    ``key`` is "" when the commit removes the script.
    """

    key: str
    revision: str
    error: ScriptFailure | None


@dataclass(frozen=True, slots=True)
class ScriptEnvironment:
    """An environment that was made for scripts: ``packages`` are ``name==version``."""

    key: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScriptStatus:
    """A script as lists and pages show it. ``describe`` makes ``parameters`` when they are asked for.

    ``newer`` is set while the version that serves is of an older commit than the newest.

    A module that the host called or requires is listed while its newest version fails: as failed, for it takes no runs,
    with the version that serves the host's calls.
    """

    name: str
    state: ScriptState
    description: str
    owner: str
    tags: tuple[str, ...]
    schedules: tuple[ScheduleStatus, ...]
    version: LiveVersion | None
    error: ScriptFailure | None
    quarantine: Restraint | None
    pin: Restraint | None
    pause: Restraint | None
    describe: Callable[[], Mapping[str, Any]]
    header: Mapping[str, object]
    is_async: bool
    newer: NewerVersion | None = None
    warnings: tuple[str, ...] = ()
    isolated: str = ""
    """Why its runs have processes of their own; "" when they execute in the host's."""
    place: str = ""
    """Where its runs execute and why, in words; "" while it takes none."""
    environment: ScriptEnvironment | None = None
    """Its own, when it does not have the host's."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The JSON Schema of its arguments."""
        return self.describe()

    @property
    def has_failed(self) -> bool:
        """Whether its newest version did not load; one whose environment is being made has not failed."""
        return self.error is not None and not self.error.is_pending

    @property
    def is_preparing(self) -> bool:
        """Whether the environment of its newest version is being made."""
        return self.error is not None and self.error.is_pending

    @property
    def words(self) -> str:
        """The state as people are told: ``live (older commit)`` while a newer version does not serve."""
        return f"{self.state.value} (older commit)" if self.newer and self.state is ScriptState.LIVE else self.state


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A version that is, or was lately, in this process.

    ``name`` is the dotted module name in the repository; ``holders`` says what keeps a draining or
    leaked one, ``stacks`` the code under way in it, ``undone`` what livegraft took back of what it had registered;
    ``error`` why a failed one did not load, else ""; ``scripts`` are the live scripts that use it.
    """

    name: str
    path: str
    key: str
    revision: str
    state: VersionState
    since: datetime
    loaded_at: datetime | None
    object_count: int | None
    holders: tuple[str, ...]
    stacks: tuple[str, ...]
    undone: tuple[str, ...]
    error: str
    scripts: tuple[str, ...]


class SyncState(StrEnum):
    """How following the repository goes; ``held`` means a person holds it at its release."""

    NEVER = "never"
    OK = "ok"
    FAILING = "failing"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The last look at the repository and the one to come. ``revision`` is the live one."""

    state: SyncState
    revision: str | None
    checked_at: datetime | None
    succeeded_at: datetime | None
    error: str
    error_kind: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a commit did, script by script, unchanged ones included."""

    revision: str
    state: ReleaseState
    error: str
    scripts: tuple[ScriptOutcome, ...]
