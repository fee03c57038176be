"""The probe: what is new is imported in a child process first, so that what would end the host ends there.

The port. ``livegraft.probe.warm`` is the adapter; ``livegraft.probe.zygote`` and ``livegraft.probe.child`` are
what runs in processes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from livegraft.errors import LoadError
from livegraft.graph import Plan, PlannedModule


class Probing(Protocol):
    """The probe of some modules of one plan, under way: it goes on while its verdicts are used."""

    def refusal(self, module: PlannedModule) -> LoadError | None:
        """Why a module must not be imported in the host, waiting until that is known; None when it may be.

        It may be when it was imported, when it raised an ordinary exception (the host's own import tells it
        better, and may succeed where the child had no resources), and when it was not asked for.
        """

    def close(self) -> None:
        """End what is under way. Idempotent."""


class Probe(Protocol):
    """Port: asks a child process what importing a module does to a process. Called from any thread."""

    @property
    def state(self) -> str:
        """``on``, ``off`` (not wanted), or ``failing: REASON`` (wanted; what is new is loaded without it)."""

    def start(self) -> None:
        """Make ready; returns at once."""

    def begin(self, plan: Plan, modules: Sequence[PlannedModule]) -> Probing:
        """Begin to import modules of a plan, in this order, somewhere else. Never raises for what they do."""

    def close(self) -> None:
        """End all processes. Idempotent."""


class NoProbe:
    """Refuses nothing: for hosts that want none."""

    state = "off"

    def start(self) -> None: ...

    def begin(self, plan: Plan, modules: Sequence[PlannedModule]) -> Probing:
        return NOTHING_PROBED

    def close(self) -> None: ...


class _NothingProbed:
    def refusal(self, module: PlannedModule) -> LoadError | None:
        return None

    def close(self) -> None: ...


NOTHING_PROBED: Probing = _NothingProbed()
