"""Versions that another process loaded, by their names: what a spawned child or a reader of pickles needs.

A supervisor names its data folder in the environment (LIVEGRAFT_DATA), which children inherit. There stand the
mirror, and the list of which commit each key is from; nothing is fetched and nothing is followed here.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import ModuleType
from typing import Final

from livegraft.clock import SystemClock
from livegraft.errors import LoadError, NotFoundError, UnloadedVersionError
from livegraft.graph import Planner
from livegraft.live import VersionName
from livegraft.loader import Loader
from livegraft.loading import LoadThread
from livegraft.mirror.command import Git, hardened_environment
from livegraft.mirror.limits import DEFAULT_LIMITS
from livegraft.mirror.objects import Objects
from livegraft.recall import load_again
from livegraft.runner.failure import describe
from livegraft.snapshot import Snapshot
from livegraft.version import Version

DATA_VARIABLE: Final = "LIVEGRAFT_DATA"
"""The data folders of supervisors, separated as PATH is."""

_archives: Final[dict[tuple[Path, str], Archive]] = {}
_lock: Final = threading.Lock()


class Archive:
    """The versions of one data folder; they stay loaded until this process ends."""

    def __init__(self, data: Path, space: str) -> None:
        environment = hardened_environment("file", home="/nonexistent", global_settings=os.devnull)
        git = Git(("--git-dir", str(data / "mirror.git")), environment, limits=DEFAULT_LIMITS)
        self._objects = Objects(git, limits=DEFAULT_LIMITS)
        self._planner = Planner(read=self._objects.read, snapshot=self._snapshot)
        self.loader = Loader(
            planner=self._planner,
            folder=data / "sources",
            clock=SystemClock(),
            describe=self._describe,
            space=space,
        )
        self._load_thread = LoadThread(loader=self.loader, deadline_seconds=60.0)

    def recall(self, name: VersionName) -> ModuleType | None:
        """The module; None if this folder does not know the key. Raises UnloadedVersionError."""
        revision = self.loader.origins.get(name.key)
        if revision is None:
            return None
        return load_again(name, revision, self._planner, self.loader, self._load_thread).executed_module

    def _snapshot(self, revision: str) -> Snapshot:
        commit = self._objects.commit(revision)
        if commit is None:
            raise NotFoundError("revision", revision)
        return self._objects.snapshot(commit.revision)

    def _describe(self, error: BaseException, version: Version) -> LoadError:
        failure = describe(error, self.loader.locate)
        return LoadError(
            failure.path or version.path, failure.line, f"{failure.type}: {failure.message}", failure.traceback
        )


def recall(module_name: str) -> ModuleType:
    """The module of a version, from the data folders that the environment names.

    Raises UnloadedVersionError when none of them knows it, or when it does not load any more.
    """
    name = VersionName.parse(module_name)
    folders = [Path(folder) for folder in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if folder]
    for folder in folders:
        with _lock:
            archive = _archives.get((folder, name.space))
            if archive is None:
                archive = _archives[folder, name.space] = Archive(folder, name.space)
        module = archive.recall(name)
        if module is not None:
            return module
    raise UnloadedVersionError(
        f"expected {name.name}@{name.key[:8]} to be a version that a supervisor of this process or a data folder"
        f" in {DATA_VARIABLE} knows, got: {', '.join(map(str, folders)) or 'none'}"
    )


def add_folder(data: Path) -> None:
    """Name a data folder in the environment, for children of this process."""
    with _lock:
        known = [folder for folder in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if folder]
        os.environ[DATA_VARIABLE] = os.pathsep.join([*known, str(data)])


def remove_folder(data: Path) -> None:
    with _lock:
        known = [folder for folder in os.environ.get(DATA_VARIABLE, "").split(os.pathsep) if folder]
        if str(data) in known:
            known.remove(str(data))
        os.environ[DATA_VARIABLE] = os.pathsep.join(known)
        if not known:
            del os.environ[DATA_VARIABLE]
