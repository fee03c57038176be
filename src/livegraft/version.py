"""A version: one module or script at one key, loaded in this process; its states are one table."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection, Iterable, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import CodeType, ModuleType
from typing import Any, Final

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


LEAVING: Final = frozenset({_S.DRAINING, _S.DRAINED, _S.LEAKED})
"""The states of a version that was superseded and is not gone yet."""


_TOKEN: Final = compile("", "<token>", "exec")
"""What copies of stand in globals that are waited for, so that a weak reference tells how long they last.

It is a code object because the collector does not track those: it clears weak references to tracked objects before
finalizers run, so those are dead even when a ``__del__`` brings the objects back to life. This one dies with the
globals that hold it, and at no other time.
"""


_making_classes: Final = threading.Lock()


@dataclass(slots=True, eq=False, weakref_slot=True)
class Version:
    """One module of a plan in this process, and what livegraft itself holds of it.

    ``used`` are the versions whose modules its code imported so far, ``users`` the reverse. ``views``
    are the packages as it sees them, by dotted name. ``attachment`` is an object of ours that points
    into the module (a script with its parameters): it goes with it. ``loading_thread`` is the thread that
    executes it now. ``file`` is where its source stands.

    ``holders`` say what keeps it on its way out, a line each; ``stacks`` show the code under way in it; ``undone``
    is what livegraft took back of what it had registered, ``remains`` what it cannot take back. A version of
    which something was taken back is retired: no release gets it again. ``registry`` is the loader's lock.
    """

    planned: PlannedModule
    module_name: str
    revision: str
    tops: frozenset[str]
    since: datetime
    registry: AbstractContextManager[Any]
    state: VersionState = VersionState.PLANNED
    loaded_at: datetime | None = None
    module: ModuleType | None = None
    file: str = ""
    failure: LoadError | None = None
    used: frozenset[Version] = frozenset()
    views: dict[str, ModuleType] = field(default_factory=dict)
    attachment: object = None
    token: weakref.ref[CodeType] | None = None
    loading_thread: int | None = None
    object_count: int | None = None
    holders: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    is_retired: bool = False
    # Most versions of thousands are imported by none, define no class and are never asked for all that they reach:
    # these are made when needed.
    _users: set[Version] | None = None
    _reach: dict[str, PlannedModule] | None = None
    _classes: weakref.WeakSet[type] | None = None

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
    def users(self) -> Set[Version]:
        """The versions whose code imported its module so far."""
        return self._users or frozenset()

    @property
    def reach(self) -> dict[str, PlannedModule]:
        """All modules that its code can come to by its plan, or by an import that was seen later, by name."""
        if self._reach is None:
            self._reach = self.planned.reach()
        return self._reach

    @reach.setter
    def reach(self, reach: dict[str, PlannedModule]) -> None:
        self._reach = reach

    @property
    def begin_of_reach(self) -> Collection[PlannedModule]:
        """Modules from which all that it reaches is found by their imports."""
        return self._reach.values() if self._reach is not None else (self.planned,)

    @property
    def classes(self) -> weakref.WeakSet[type]:
        """The classes that its code made."""
        if self._classes is None:
            with _making_classes:
                if self._classes is None:
                    self._classes = weakref.WeakSet()
        return self._classes

    @property
    def label(self) -> str:
        """What people call it: ``reports/daily@9f2c1a7e``."""
        return f"{self.name.replace('.', '/')}@{self.key[:8]}"

    @property
    def is_leaving(self) -> bool:
        """Whether it was superseded and is not gone yet."""
        return self.state in LEAVING

    def watch(self, globals: dict[str, object]) -> None:
        """From now on ``is_kept`` tells how long its globals last."""
        token = globals["__livegraft_token__"] = _TOKEN.replace(co_firstlineno=1)
        self.token = weakref.ref(token)

    @property
    def is_kept(self) -> bool:
        """Whether its globals are in memory, since they are watched."""
        return self.token is not None and self.token() is not None

    @property
    def is_collected(self) -> bool:
        """Whether its globals and all its classes are gone from memory."""
        return not self.is_kept and not self._classes

    @property
    def executed_module(self) -> ModuleType:
        """The module, while its names are in the process (from the start of its execution to its unloading)."""
        module = self.module
        if module is None:
            with self.registry:  # it may be out of reach for a moment, while it is looked at whether it can go
                module = self.module
        if module is None:
            raise UnloadedVersionError(f"{self.label} is {self.state}")
        return module

    def use(self, other: Version) -> None:
        """Its code imported the other's module. Called with the loader's lock."""
        self.used |= {other}
        if other._users is None:
            other._users = set()
        other._users.add(self)

    def use_none(self) -> None:
        """Its code imports no more. Called with the loader's lock."""
        for other in self.used:
            if other._users is not None:
                other._users.discard(self)
        self.used = frozenset()

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
