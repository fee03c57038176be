"""The scripts: every one with its state, schedule, last runs and version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.catalog import ScriptStatus
from livegraft.directory import Entry, Wanted
from livegraft.run import OPEN_STATES
from livegraft.store import LastRun
from livegraft.web.pictures import BAR_COUNT
from livegraft.web.rendering import query
from livegraft.web.session import SignedIn

router = APIRouter()

SHOWN_COUNT: Final = 60
"""Scripts on one page."""

RUNNING_COUNT: Final = 100
"""Open runs that are looked at for one that runs, which the icon of the tab shows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. ``view`` is "" for a tree, or ``flat``; ``page`` counts from 1."""

    q: str = ""
    state: str = ""
    tag: str = ""
    owner: str = ""
    scheduled: str = ""
    view: str = ""
    folder: str = ""
    page: int = 1

    @property
    def is_flat(self) -> bool:
        return self.view == "flat"

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.q, self.state, self.tag, self.owner, bool(self.scheduled))

    def address(self, **others: Any) -> str:
        """The query of this page with something else in place; other filters begin at the first page again."""
        given = {name: getattr(self, name) for name in self.__slots__ if name != "page"} | others
        return query(**{name: value for name, value in given.items() if (name, value) != ("page", 1)})


@dataclass(frozen=True, slots=True)
class Row:
    """One script of the table; in a flat list ``leaf`` is the whole name."""

    script: ScriptStatus
    leaf: str
    next_at: datetime | None
    runs: Sequence[LastRun]

    @property
    def runs_at_once(self) -> bool:
        return runs_at_once(self.script)


@dataclass(frozen=True, slots=True)
class Folder:
    """The scripts of one folder; ``name`` is empty for the root, and in a flat list."""

    name: str
    rows: tuple[Row, ...]


@router.get("/scripts", name="scripts")
def scripts(
    visit: SignedIn,
    q: str = "",
    state: str = "",
    tag: str = "",
    owner: str = "",
    scheduled: str = "",
    view: str = "",
    folder: str = "",
    page: int = 1,
) -> Response:
    """``folder`` is one of a tree; with more scripts than fit on a page the tree shows one folder after the other."""
    supervisor = visit.supervisor
    asked = Asked(q, state, tag, owner, scheduled, view, "" if view == "flat" else folder.strip("/"), max(1, page))
    found = supervisor.directory.find(asked.wanted)
    entries = _below(found.entries, asked.folder)
    inner: Sequence[tuple[str, int]] = ()
    if not asked.is_flat and not q and len(entries) > SHOWN_COUNT:
        inner = _folders_in(entries, asked.folder)
        entries = [entry for entry in entries if entry.name.rpartition("/")[0] == asked.folder]
    if not asked.is_flat:
        entries = sorted(entries, key=lambda entry: entry.name.rpartition("/"))
    first = (asked.page - 1) * SHOWN_COUNT
    names = [entry.name for entry in entries[first : first + SHOWN_COUNT]]
    shown = supervisor.scripts_named(names)
    runs = supervisor.store.runs.last_by_script(names, BAR_COUNT)
    return visit.page(
        "scripts.html",
        asked=asked,
        folders=_flat(shown, runs) if asked.is_flat else _folders(shown, runs),
        inner=inner,
        counts=found.counts,
        tags=found.tags,
        owners=found.owners,
        found_count=len(entries) + sum(count for _, count in inner),
        first=first,
        listed_count=len(entries),
        shown_count=len(shown),
        restart_needed=supervisor.restart_needed,
        open_runs=[run for run in supervisor.find_runs(states=OPEN_STATES, limit=RUNNING_COUNT) if not run.waits],
    )


def runs_at_once(script: ScriptStatus) -> bool:
    """Whether the button needs no form: the script has no parameters."""
    return not script.parameters.get("properties")


def _below(entries: Sequence[Entry], folder: str) -> Sequence[Entry]:
    return [entry for entry in entries if entry.name.startswith(f"{folder}/")] if folder else entries


def _folders_in(entries: Iterable[Entry], folder: str) -> Sequence[tuple[str, int]]:
    """The folders right in one, each with how many scripts it has at any depth."""
    start = len(folder) + 1 if folder else 0
    counts = Counter(
        name[: name.index("/", start)] for name in (entry.name for entry in entries) if "/" in name[start:]
    )
    return sorted(counts.items())


def _folders(scripts: Iterable[ScriptStatus], runs: Mapping[str, Sequence[LastRun]]) -> list[Folder]:
    """Grouped by folder, the root first; they are in that order."""
    return [
        Folder(name, tuple(_row(script, script.name.rpartition("/")[2], runs) for script in group))
        for name, group in groupby(scripts, key=lambda script: script.name.rpartition("/")[0])
    ]


def _flat(scripts: Iterable[ScriptStatus], runs: Mapping[str, Sequence[LastRun]]) -> list[Folder]:
    return [Folder("", tuple(_row(script, script.name, runs) for script in scripts))]


def _row(script: ScriptStatus, leaf: str, runs: Mapping[str, Sequence[LastRun]]) -> Row:
    next_at = min((schedule.next_at for schedule in script.schedules if schedule.next_at), default=None)
    return Row(script, leaf, next_at, runs.get(script.name, ()))
