"""What runs of scripts execute: a live version, or the one that an earlier run had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

from livegraft.catalog import ScriptStatus
from livegraft.decisions import Decisions
from livegraft.errors import NotFoundError, NotRunnableError
from livegraft.graph import PlannedModule, Planner
from livegraft.header import ProcessLimits
from livegraft.loader import Loader
from livegraft.release import LiveScript, Release, ReleaseBuilder
from livegraft.runner import Isolated
from livegraft.work import Work


class Works:
    """Makes work of scripts, or tells why a script takes no runs.

    ``safe_mode`` is why no code is loaded, empty when it is; ``limits`` are the most that isolated runs may take.
    """

    def __init__(
        self,
        *,
        release: Callable[[], Release | None],
        safe_mode: Callable[[], str],
        status: Callable[[str], ScriptStatus | None],
        decisions: Decisions,
        builder: ReleaseBuilder,
        loader: Loader,
        planner: Planner,
        limits: ProcessLimits,
    ) -> None:
        self._release = release
        self._safe_mode = safe_mode
        self._status = status
        self._decisions = decisions
        self._builder = builder
        self._loader = loader
        self._planner = planner
        self._limits = limits

    def live(self, name: str) -> Work:
        """What a run of a script's live version executes. Raises NotFoundError, NotRunnableError."""
        if reason := self._safe_mode():
            raise NotRunnableError(f"safe mode, no code of scripts is loaded: {reason}")
        release = self._release()
        script = release.scripts.get(name) if release else None
        if script is None:
            raise self._why_not(name)
        quarantine = self._decisions.quarantines.get(name)
        if quarantine is not None:
            raise NotRunnableError(f"{name} is quarantined by {quarantine.actor}: {quarantine.reason}")
        return self._of(script)

    def at(self, name: str, key: str, revision: str) -> Work:
        """What a run of an earlier version executes; raises LoadError too, when it does not load again."""
        live = self.live(name)  # also tells whether the script takes runs
        if live.key == key:
            return live
        return replace(self._of(self._builder.load_again(name, key, revision)), is_live=False)

    def missing(self, name: str) -> NotFoundError:
        """That there is no such script, with the nearest that there is."""
        release = self._release()
        near = get_close_matches(name, release.scripts, 1) if release else []
        return NotFoundError("script", name, near[0] if near else None)

    def _why_not(self, name: str) -> NotFoundError | NotRunnableError:
        status = self._status(name)
        if status is None or status.error is None:
            return self.missing(name)
        if status.version is not None:
            return NotRunnableError(f"expected {name} to be a script, it is a module that the host calls")
        failure = status.error.failure
        return NotRunnableError(f"{name} never loaded: {failure.place}: {failure.message}")

    def _of(self, script: LiveScript) -> Work:
        return Work(
            script=script.name,
            key=script.version.key,
            revision=script.version.revision,
            function=script.function,
            is_async=script.is_async,
            parameters=script.parameters,
            locate=self._loader.locate,
            header=script.header,
            isolated=self._isolated(script) if script.isolated else None,
        )

    def _isolated(self, script: LiveScript) -> Isolated:
        version = script.version

        def find(name: str) -> PlannedModule | None:
            return self._planner.at(version.revision).modules.get(name)

        limits = script.header.limits.within(self._limits)
        return Isolated(version.planned, find, version.tops, version.revision, limits, script.environment)
