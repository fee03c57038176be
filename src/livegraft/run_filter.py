"""Which runs of the history somebody wants to see, and what was found of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from livegraft.run import RunRecord, RunState, Trigger


@dataclass(frozen=True, slots=True)
class RunFilter:
    """All of it must hold; what is left empty holds for every run.

    ``scripts``: one of these; None for any, so that no script is found by an empty one. ``folder``: the script's name
    begins so. ``version``: the first digits of its key or revision. ``since`` and ``until``: when it was asked for, the
    latter not included. ``text``: in its arguments, in its result as far as that is JSON or text, or in its failure.
    """

    scripts: tuple[str, ...] | None = None
    folder: str = ""
    states: tuple[RunState, ...] = ()
    trigger: Trigger | None = None
    actor: str = ""
    version: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class RunsFound:
    """Newest first. ``next`` is the ``before`` of the page behind, None when there is nothing more.

    One question looks through a bounded part of the history. When it came to its end before the page was full,
    ``looked_back_to`` is the time of the last run that it looked at.
    """

    runs: Sequence[RunRecord]
    next: str | None = None
    looked_back_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunSpan:
    """What a picture of many runs needs of one."""

    id: str
    script: str
    state: RunState
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
