"""A version: one module or script at one key, loaded in this process; its states are one table."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from types import ModuleType
from typing import Final

from livegraft.errors import LoadError, UnloadedVersionError
from livegraft.graph import PlannedModule


class VersionState(StrEnum):
    """Where a version is between its plan and its end.

    ``planned``: its key is computed; ``loading``: its code executes for the first time; ``live``: the
    release uses it; ``draining``: superseded, something still runs it; ``drained``: nothing runs it;
    ``unloaded``: gone and checked; ``leaked``: taken out, but somebody holds it; ``failed``: it did
    not load; ``quarantined``: a person keeps it out of service.
    """

    PLANNED = "planned"
    LOADING = "loading"
    LIVE = "live"
    DRAINING = "draining"
    DRAINED = "drained"
    UNLOADED = "unloaded"
    LEAKED = "leaked"
    FAILED = "failed"
    QUARANTINED = "quarantined"


_S = VersionState
TRANSITIONS: Final[Mapping[VersionState, frozenset[VersionState]]] = {
    _S.PLANNED: frozenset({_S.LOADING, _S.FAILED, _S.QUARANTINED}),
    _S.LOADING: frozenset({_S.LIVE, _S.FAILED}),
    # A candidate that its release refused, or that a later one superseded, drains like any other.
    _S.LIVE: frozenset({_S.DRAINING, _S.QUARANTINED}),
    # A revert finds the old key still here and takes it back.
    _S.DRAINING: frozenset({_S.DRAINED, _S.LIVE}),
    _S.DRAINED: frozenset({_S.UNLOADED, _S.LEAKED, _S.LIVE}),
    _S.LEAKED: frozenset({_S.UNLOADED, _S.LIVE}),
    _S.UNLOADED: frozenset(),
    _S.FAILED: frozenset(),
    _S.QUARANTINED: frozenset({_S.LIVE, _S.DRAINING}),
}
"""Every change of state that exists. Nothing else moves a version."""


class Token:
    """Stands in the globals of a version's module. It dies when no function, method or frame of it is left."""

    __slots__ = ("__weakref__",)


class Version:
    """One module of a plan in this process, and what livegraft itself holds of it.

    ``used`` are the versions whose modules its code imported so far, ``users`` the reverse. ``views``
    are the packages as it sees them, by dotted name. ``attachments`` are objects of ours that point
    into the module (a script's parameters): they go with it. ``loading_thread`` is the thread that
    executes it now.
    """

    def __init__(
        self, planned: PlannedModule, *, module_name: str, revision: str, tops: frozenset[str], since: datetime
    ) -> None:
        self.planned = planned
        self.tops = tops
        self.module_name = module_name
        self.revision = revision
        self.state = VersionState.PLANNED
        self.since = since
        self.loaded_at: datetime | None = None
        self.module: ModuleType | None = None
        self.failure: LoadError | None = None
        self.reach: dict[str, PlannedModule] = planned.reach()
        self.used: set[Version] = set()
        self.users: set[Version] = set()
        self.views: dict[str, ModuleType] = {}
        self.attachments: list[object] = []
        self.token: weakref.ref[Token] | None = None
        self.classes: weakref.WeakSet[type] = weakref.WeakSet()
        self.loading_thread: int | None = None
        self.executed = threading.Event()
        self.object_count: int | None = None
        self.holders: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.planned.name

    @property
    def path(self) -> str:
        return self.planned.path

    @property
    def key(self) -> str:
        return self.planned.key

    @property
    def executed_module(self) -> ModuleType:
        """The module, while its names are in the process (from the start of its execution to its unloading)."""
        if self.module is None:
            raise UnloadedVersionError(f"{self.name}@{self.key[:8]} is {self.state}")
        return self.module

    def move(self, state: VersionState, at: datetime) -> None:
        """Change the state; a change that the table does not have is a fault of livegraft."""
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"{self}: no way from {self.state} to {state}")
        self.state, self.since = state, at

    def __repr__(self) -> str:
        return f"<version {self.name}@{self.key[:8]} {self.state}>"


def closed_group(versions: Iterable[Version]) -> set[Version]:
    """Those of some versions that only others of them use."""
    group = set(versions)
    while outside := {version for version in group if not version.users <= group}:
        group -= outside
    return group
