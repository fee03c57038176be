"""Which scripts somebody looks for, among very many: by what is cheap to know, without the whole status of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final
from weakref import WeakKeyDictionary

from livegraft.catalog import ScriptFailure
from livegraft.decisions import Decisions
from livegraft.release import LiveScript, Release
from livegraft.store import Restraint


@dataclass(frozen=True, slots=True)
class Entry:
    """What lists are searched and sorted by. ``text`` is in lower case: name, description, owner and tags."""

    name: str
    text: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    is_scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; what is empty does not matter.

    Every word of ``q`` must stand in the text, ``state`` is one of ``STATES``. Of ``scheduled`` scripts each has a cron
    line.
    """

    q: str = ""
    state: str = ""
    tag: str = ""
    owner: str = ""
    scheduled: bool = False


STATES: Final = ("failing", "quarantined", "paused", "pinned")
"""``failing``: the newest version did not load, whether the last good one serves or none."""


@dataclass(frozen=True, slots=True)
class Found:
    """The scripts that fit, by name; of all scripts how many are in each state ("": all), and their tags and owners."""

    entries: Sequence[Entry]
    counts: Mapping[str, int]
    tags: Sequence[str]
    owners: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Register:
    """The entries of a release, by name."""

    entries: Mapping[str, Entry]
    tags: Sequence[str]
    owners: Sequence[str]


class Directory:
    """Finds scripts of the live release, and those whose newest version failed (``failures``).

    What is read from a release is kept with it: a release does not change, and a new one is read anew. Decisions and
    failures are asked each time.
    """

    def __init__(
        self,
        *,
        release: Callable[[], Release | None],
        failures: Callable[[], Mapping[str, ScriptFailure]],
        decisions: Decisions,
    ) -> None:
        self._release = release
        self._failures = failures
        self._decisions = decisions
        self._registers: WeakKeyDictionary[Release, _Register] = WeakKeyDictionary()

    def find(self, wanted: Wanted | None = None) -> Found:
        """The scripts that fit; None: all of them."""
        wanted = wanted or Wanted()
        register = self._register()
        failures = self._failures()
        entries = [*register.entries.values()]
        if bare := [Entry(name, name.lower()) for name in failures if name not in register.entries]:
            entries = sorted([*entries, *bare], key=attrgetter("name"))
        states: dict[str, set[str]] = {
            "failing": {name for name, failure in failures.items() if not failure.is_pending}
        }
        for state, decided in zip(STATES[1:], self._decided(), strict=True):
            states[state] = {name for name in decided if name in register.entries or name in failures}
        counts = {"": len(entries), **{state: len(names) for state, names in states.items()}}
        if wanted.state:
            among = states.get(wanted.state, set())
            entries = [entry for entry in entries if entry.name in among]
        return Found(_fitting(entries, wanted), counts, register.tags, register.owners)

    def _decided(self) -> Sequence[Mapping[str, Restraint]]:
        return self._decisions.quarantines, self._decisions.pauses, self._decisions.pins

    def _register(self) -> _Register:
        release = self._release()
        if release is None:
            return _Register({}, (), ())
        register = self._registers.get(release)
        if register is None:
            register = self._registers[release] = _read(release.scripts)
        return register


def _fitting(entries: list[Entry], wanted: Wanted) -> list[Entry]:
    if wanted.tag:
        entries = [entry for entry in entries if wanted.tag in entry.tags]
    if wanted.owner:
        entries = [entry for entry in entries if wanted.owner == entry.owner]
    if wanted.scheduled:
        entries = [entry for entry in entries if entry.is_scheduled]
    for word in wanted.q.lower().split():
        entries = [entry for entry in entries if word in entry.text]
    return entries


def _read(scripts: Mapping[str, LiveScript]) -> _Register:
    entries = {name: _entry(scripts[name]) for name in sorted(scripts)}
    tags = {tag for entry in entries.values() for tag in entry.tags}
    owners = {entry.owner for entry in entries.values() if entry.owner}
    return _Register(entries, sorted(tags), sorted(owners))


def _entry(script: LiveScript) -> Entry:
    header = script.header
    text = " ".join((script.name, script.description, header.owner, *header.tags)).lower()
    return Entry(script.name, text, header.owner, header.tags, bool(header.schedules))
