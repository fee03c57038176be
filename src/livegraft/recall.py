"""Loads a version again that has left the process: a pickle made by it is read, or its name is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType

from livegraft.drainer import Drainer
from livegraft.errors import LoadError, UnloadedVersionError
from livegraft.graph import Planner
from livegraft.live import VersionName
from livegraft.loader import Loader
from livegraft.loading import LoadThread
from livegraft.version import Version


class Recaller:
    """Answers for the module names of one supervisor's versions.

    ``roots`` gives the versions that the live release names. What is recalled is none of the release: it drains
    from the start and is unloaded once nothing holds it.
    """

    def __init__(
        self,
        *,
        loader: Loader,
        load_thread: LoadThread,
        planner: Planner,
        drainer: Drainer,
        roots: Callable[[], Iterable[Version]],
    ) -> None:
        self._loader, self._load_thread, self._planner = loader, load_thread, planner
        self._drainer, self._roots = drainer, roots

    def recall(self, module_name: str) -> ModuleType | None:
        """The module of a version by its name; None if the key was never loaded from this repository.

        Raises UnloadedVersionError, which names the commit, when it does not load any more.
        """
        name = VersionName.parse(module_name)
        if name.space != self._loader.space:
            return None
        if self._load_thread.is_current():
            # Whoever waits for the loader thread holds the turn already.
            return self._find(name)
        # Not while the drainer is at it: a name that is dropped for a moment may come back.
        with self._drainer.turn:
            return self._find(name)

    def _find(self, name: VersionName) -> ModuleType | None:
        here = self._loader.find(name.name, name.key)
        if here is not None and here.module is not None:
            return here.module
        revision = self._loader.origins.get(name.key)
        if revision is None:
            return None
        version = load_again(name, revision, self._planner, self._loader, self._load_thread)
        self._drainer.supersede(self._roots(), lambda step, at: None)
        return version.executed_module


def load_again(name: VersionName, revision: str, planner: Planner, loader: Loader, load_thread: LoadThread) -> Version:
    """Load a version by its name from the revision that had it. Raises UnloadedVersionError."""
    try:
        plan = planner.at(revision)
        planned = plan.modules.get(name.name)
        if planned is not None and planned.key == name.key:
            return load_thread.call(lambda: loader.load(planned, plan), planned.path)
        reason = f"that commit has no {name.name} at this key"
    except LoadError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever the mirror says about a commit that is gone
        reason = f"{type(error).__name__}: {error}"
    raise UnloadedVersionError(f"expected {name.name}@{name.key[:8]} of commit {revision[:8]} to load again, {reason}")
