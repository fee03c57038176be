"""Executing runs: the port, with one runner for sync and one for async code; ``livegraft.isolation`` has a third one.

A runner executes one job after it was handed in, in a context of its own. It keeps nothing of a
job that has ended: versions are unloaded by looking who still refers to them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from livegraft.context import CurrentRun
from livegraft.environment import Environment
from livegraft.graph import PlannedModule
from livegraft.header import ProcessLimits
from livegraft.runner.failure import Locate
from livegraft.runner.interrupt import Window
from livegraft.runner.outcome import Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Isolated:
    """What a run in a process of its own executes: the module at its key, and JSON values as arguments.

    ``find`` gives the other modules of its plan by name, ``tops`` are the first names of the repository. Without an
    ``environment`` it has the host's packages.
    """

    module: PlannedModule
    find: Callable[[str], PlannedModule | None]
    tops: Collection[str]
    revision: str
    limits: ProcessLimits
    environment: Environment | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What a run executes: ``function(**arguments)``, or that elsewhere: ``isolated`` with what was ``given``."""

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(repr=False)
    locate: Locate
    isolated: Isolated | None = None
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Job:
    """One run on its way through a runner.

    ``begin`` is asked right before the code executes, by the thread that will; False means that the run
    was cancelled meanwhile, or has begun elsewhere. ``end`` is told the outcome, once, if it began.
    """

    __slots__ = ("__weakref__", "_call", "begin", "end", "run", "window")

    def __init__(
        self, run: CurrentRun, call: Call, *, begin: Callable[[], bool], end: Callable[[Outcome], None]
    ) -> None:
        self.run = run
        self.begin = begin
        self.end = end
        self.window = Window()
        self._call: Call | None = call

    def take(self) -> Call | None:
        """What to call. From then on the job does not keep the version; None for the second who asks."""
        call, self._call = self._call, None
        return call


class Runner(Protocol):
    """Port: where jobs execute. Called from any thread; none of it waits for a script."""

    def start(self, job: Job) -> None:
        """Execute it as soon as there is room."""

    def ask(self, job: Job) -> None:
        """Ask a running job to stop, in the way its code expects."""

    def interrupt(self, job: Job) -> None:
        """Raise an exception in it, if that is possible."""

    def give_up(self, job: Job) -> bool:
        """It does not stop. True when it is made to, and ends now; else go on without the place that it holds."""

    def stop(self) -> None:
        """Take no more; threads end when their job has. Idempotent."""
