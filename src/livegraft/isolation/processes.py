"""Processes for isolated runs, forked by zygotes: one for the host's environment, one for each that is in use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livegraft import process
from livegraft.environment import Environment
from livegraft.isolation.links import link_needed
from livegraft.probe.process import Child, Zygote, ZygoteError

MARK: Final = "LIVEGRAFT_RUN"
"""Names the host's process in the environment of everything that a run starts, so that what outlives it is found."""

MOST_ZYGOTES: Final = 8
"""How many environments have a zygote that waits; what was used longest ago goes first."""

MOST_PRELOADED: Final = 2_000
"""How many modules a zygote imports for the runs to come."""

_KEPT_VARIABLES: Final = ("PATH", "LANG", "LC_ALL", "TZ")
_UNBOUNDED: Final = 1 << 62


@dataclass(slots=True)
class Process:
    """A child, and where its output comes out."""

    child: Child
    output: int

    def close(self) -> None:
        self.child.close()
        os.close(self.output)


class _Place:
    """The zygote of one environment, with a process that is ready; ``used`` are those that were taken and go on.

    ``preloaded`` are modules that it imported for them, ``unfit`` those after which one died.
    """

    def __init__(self) -> None:
        self.zygote: Zygote | None = None
        self.ready: Process | None = None
        self.used = 0
        self.preloaded: set[str] = set()
        self.unfit: set[str] = set()

    def died(self) -> None:
        """The zygote is gone: what it had imported is suspect."""
        self.unfit |= self.preloaded
        self.preloaded.clear()
        self.end()

    def end(self) -> None:
        if self.ready is not None:
            self.ready.close()
            self.ready = None
        if self.zygote is not None:
            self.zygote.close()
            self.zygote = None


class Processes:
    """One process for each who asks, and the next one ready meanwhile.

    ``folder`` takes the sources; in ``links`` stands what processes of other environments need of livegraft;
    ``touch`` is told which environment is used.
    """

    def __init__(self, *, folder: Path, links: Path, touch: Callable[[str], None] = lambda key: None) -> None:
        self._folder = folder.absolute()
        self._links = links.absolute()
        self._touch = touch
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        self._stopping = False

    @contextmanager
    def one(self, environment: Environment | None = None) -> Iterator[Process]:
        """A process of an environment, None: of the host's; it ends with the block. Raises ZygoteError."""
        taken, place = self._take(environment)
        try:
            yield taken
        finally:
            taken.close()
            with self._lock:
                place.used -= 1

    def imported(self, environment: Environment | None, names: Sequence[str]) -> None:
        """A run imported these from outside of its repository: processes to come have them from their beginning."""
        with self._lock:
            place = self._places.get(environment.key if environment is not None else "")
            if place is None or place.zygote is None:
                return
            new = [name for name in names if name not in place.preloaded and name not in place.unfit]
            if new and len(place.preloaded) + len(new) <= MOST_PRELOADED:
                place.zygote.preload(new)
                place.preloaded.update(new)
                if place.ready is not None:  # it was forked before
                    place.ready.close()
                    place.ready = None
                    with suppress(ZygoteError):
                        place.ready = self._fork(place, environment)

    @property
    def in_use(self) -> set[str]:
        """The keys of the environments that have a zygote."""
        with self._lock:
            return {key for key in self._places if key}

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            for place in self._places.values():
                place.end()
            self._places.clear()

    def _take(self, environment: Environment | None) -> tuple[Process, _Place]:
        key = environment.key if environment is not None else ""
        with self._lock:
            place = self._places.pop(key, None) or _Place()
            self._places[key] = place  # the one used last stands last
            if place.zygote is not None and not place.zygote.lives:
                place.died()
            taken, place.ready = place.ready, None
            taken = taken or self._fork(place, environment)
            place.used += 1
            with suppress(ZygoteError):  # the next run tells it
                place.ready = self._fork(place, environment)
            self._end_unused()
        return taken, place

    def _fork(self, place: _Place, environment: Environment | None) -> Process:
        if self._stopping:
            raise ZygoteError("livegraft is stopping")
        if place.zygote is None:
            place.zygote = self._zygote(environment)
        output, output_end = os.pipe()
        try:
            return Process(place.zygote.fork([output_end]), output)
        except ZygoteError:
            os.close(output)
            raise
        finally:
            os.close(output_end)

    def _zygote(self, environment: Environment | None) -> Zygote:
        if environment is not None:
            self._touch(environment.key)
        return Zygote(
            language="livegraft.isolation.worker",
            folder=self._folder,
            memory_bytes=_UNBOUNDED,
            environment=variables(environment),
            python=environment.python if environment is not None else None,
            links=link_needed(self._links, environment) if environment is not None else None,
        )

    def _end_unused(self) -> None:
        unused = [key for key, place in self._places.items() if key and not place.used]
        for key in unused[: max(0, len(self._places) - 1 - MOST_ZYGOTES)]:
            self._places.pop(key).end()


def variables(environment: Environment | None = None) -> dict[str, str]:
    """All that a run sees of the host's environment variables; the programs of its environment come first."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, **_variables_of(environment), MARK: process.identity()}


def _variables_of(environment: Environment | None) -> Mapping[str, str]:
    if environment is None:
        return {}
    path = os.pathsep.join([str(environment.python.parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "VIRTUAL_ENV": str(environment.folder)}
