"""A host with a repository of scripts: commit, and the supervisor takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livegraft import Supervisor
from livegraft.catalog import SyncReport, VersionStatus
from livegraft.store import ScriptOutcome
from livegraft.version import Version, VersionState
from tests.support.history import put_history
from tests.support.repository import Repository
from tests.support.waiting import PATIENCE_SECONDS, eventually


class Host:
    """A supervisor and the repository that it follows; it looks there only when told (``take``)."""

    def __init__(self, repository: Repository, supervisor: Supervisor) -> None:
        self.repository = repository
        self.supervisor = supervisor

    @property
    def live(self) -> Any:
        return self.supervisor.live

    def take(self, files: Mapping[str, str], message: str = "change") -> dict[str, ScriptOutcome]:
        """Commit these files and wait until the commit is live; what it did, by script."""
        self.repository.commit_files(files, message)
        return self.sync()

    def remove(self, *paths: str) -> dict[str, ScriptOutcome]:
        self.repository.delete(*paths)
        self.repository.commit("remove")
        return self.sync()

    def sync(self) -> dict[str, ScriptOutcome]:
        return outcomes(self.supervisor.sync(timeout=60))

    def key(self, script: str) -> str:
        status = self.supervisor.script(script)
        assert status.version is not None
        return status.version.key

    def version(self, script: str) -> Version:
        """The live version itself, for tests that look inside."""
        release = self.supervisor.release
        assert release is not None
        return release.scripts[script].version

    def states(self, name: str) -> dict[str, VersionState]:
        """Key -> state of every version of a module that is or was lately in the process."""
        return {version.key: version.state for version in self.supervisor.versions() if version.name == name}

    def status(self, name: str, key: str) -> VersionStatus:
        return next(each for each in self.supervisor.versions() if (each.name, each.key) == (name, key))

    def wait_for(self, name: str, key: str, state: VersionState, timeout: float = PATIENCE_SECONDS) -> VersionStatus:
        """Wait until a version has a state."""
        eventually(lambda: self.states(name).get(key) is state, timeout, f"{name}@{key[:8]} {state}")
        return self.status(name, key)


def outcomes(report: SyncReport) -> dict[str, ScriptOutcome]:
    return {outcome.script: outcome for outcome in report.scripts}


@contextmanager
def a_host(folder: Path, *, files: Mapping[str, str] | None = None, **settings: Any) -> Iterator[Host]:
    """A host over a new repository in a folder, started.

    Without a probe unless it is asked for: that is a process for each host, and what is loaded is loaded alike. Without
    environments for scripts that need more than the host has.
    """
    repository = Repository.create(folder / "repository")
    repository.commit_files(files or {"README.md": "scripts\n"}, "first")
    settings = {"poll_seconds": 3600.0, "data": folder / "data", "probe": False, "environments": False, **settings}
    put_history(Path(settings["data"], "history.db"))
    with Supervisor(repository.path, **settings) as supervisor:
        yield Host(repository, supervisor)
