"""A work tree under the same loader as a live repository: what is wrong with it, and running one script of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livegraft.catalog import SyncState
from livegraft.contract import Requirement, told
from livegraft.difference import Difference, compare
from livegraft.errors import MirrorError
from livegraft.mirror.worktree import WorkTree
from livegraft.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps a script from going live, or a warning about a file that is left out."""

    path: str
    line: int
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {'warning: ' if self.is_warning else ''}{self.message}"


@contextmanager
def supervised_tree(
    folder: Path, provide: Mapping[str, object], required: Sequence[Requirement] = ()
) -> Iterator[Supervisor]:
    """The scripts of a work tree, loaded as its next commit would be; schedules do not fire, nothing is kept.

    ``required`` is what a host requires of them. Raises ConfigurationError and MirrorError when the tree cannot be
    read.
    """
    with tempfile.TemporaryDirectory(prefix="livegraft-") as data, ExitStack() as stack:
        supervisor = Supervisor(
            folder, data=data, provide=provide, mirror=WorkTree(folder), poll_seconds=3600, tick=False
        )
        supervisor.require_all(required)
        stack.enter_context(supervisor)
        supervisor.settle()
        # A server waits for better times; here nothing was found only if there was something to look at.
        if supervisor.sync_status.state is SyncState.FAILING:
            raise MirrorError(supervisor.sync_status.error_kind, supervisor.sync_status.error)
        yield supervisor


def check_tree(folder: Path, provide: Mapping[str, object]) -> tuple[int, Sequence[Fault]]:
    """How many scripts a work tree has, and everything that is wrong with them.

    ``provide`` stands for the host's resources: scripts that ask for others do not load. Raises as
    ``supervised_tree`` does.
    """
    with supervised_tree(folder, provide) as supervisor:
        return len(supervisor.scripts), _faults(supervisor, frozenset())


def check_against(
    folder: Path,
    provide: Mapping[str, object],
    live: Sequence[Mapping[str, Any]],
    required: Sequence[Mapping[str, Any]] = (),
) -> tuple[int, Sequence[Fault], Difference]:
    """As ``check_tree``, and what the next commit would do to a server.

    ``live`` are the scripts it answered with, ``required`` is what its host requires of live code.

    What serves there as it is and does not load here (a package is missing on this machine, perhaps) is no
    fault of the commit: it becomes a warning.
    """
    requirements = [told(each["target"], each["signature"], each["is_async"], each["text"]) for each in required]
    with supervised_tree(folder, provide, requirements) as supervisor:
        modules = {each.module.replace(".", "/") for each in requirements}
        difference = compare(supervisor.scripts, live, modules)
        return len(supervisor.scripts), _faults(supervisor, difference.unchanged), difference


def _faults(supervisor: Supervisor, serving: frozenset[str]) -> Sequence[Fault]:
    """What is wrong with the scripts; a fault that only concerns those which serve elsewhere is a warning."""
    faults: dict[tuple[str, int, str], bool] = {}
    for script in supervisor.scripts:
        if script.error is not None:
            failure = script.error.failure
            place = (failure.path or f"{script.name}.py", failure.line, failure.message)
            faults[place] = faults.get(place, True) and script.name in serving
    listed = [
        Fault(path, line, f"{message} (serves there as it is)" if is_warning else message, is_warning)
        for (path, line, message), is_warning in faults.items()
    ]
    listed += {Fault(skipped.path, 0, skipped.reason, is_warning=True) for skipped in supervisor.skipped}
    return sorted(listed, key=lambda fault: (fault.path, fault.line, fault.message))
