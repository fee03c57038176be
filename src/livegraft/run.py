"""A run: one execution of one version, its states and what is kept of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final


class RunState(StrEnum):
    """Where a run is. The last six are ends; only ``stuck`` may still be followed by another end."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    STUCK = "stuck"
    LOST = "lost"


class Trigger(StrEnum):
    """Why a run exists."""

    BUTTON = "button"
    CRON = "cron"
    API = "api"
    CLI = "cli"
    WEBHOOK = "webhook"
    EVENT = "event"
    HOST = "host"


_S = RunState
TRANSITIONS: Final[Mapping[RunState, frozenset[RunState]]] = {
    # A queued one times out by the queue-timeout of its script.
    _S.QUEUED: frozenset({_S.STARTING, _S.CANCELLED, _S.FAILED, _S.TIMED_OUT, _S.LOST}),
    _S.STARTING: frozenset({_S.RUNNING, _S.CANCELLED, _S.FAILED, _S.LOST}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.TIMED_OUT, _S.STUCK, _S.LOST}),
    # Python code that was asked to stop and did not is stuck; it may still end by itself.
    _S.STUCK: frozenset({_S.CANCELLED, _S.TIMED_OUT, _S.LOST}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.TIMED_OUT: frozenset(),
    _S.LOST: frozenset(),
}
"""Every change of state that exists. Nothing else moves a run."""

OPEN_STATES: Final = frozenset({_S.QUEUED, _S.STARTING, _S.RUNNING})
"""States of a run that still holds a place; a process that dies leaves these behind, to be marked lost."""

FINAL_STATES: Final = frozenset(state for state, after in TRANSITIONS.items() if not after)


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run did not succeed.

    ``type`` is the exception's qualified name or one of ``timeout``, ``cancelled``, ``lost``, ``stuck``;
    ``path`` and ``line`` point into the repository (None, 0 when outside); ``traceback`` is for people.
    """

    type: str
    message: str
    path: str | None = None
    line: int = 0
    traceback: str = ""

    @property
    def place(self) -> str:
        """``path:line``, or as much of it as is known."""
        return f"{self.path}:{self.line}" if self.path and self.line else self.path or ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What ``run`` returned, as kept.

    ``kind`` is ``json`` (``value`` is a JSON value), ``text`` (``value`` is a bounded string), or one whose content
    are bytes of their own: ``table`` (``value`` has its ``columns`` and its ``row_count``), ``html``, ``markdown``,
    ``svg``, ``png``, ``jpeg``. ``note`` says why it is text, or what is not kept. ``body`` are those bytes, of the type
    in ``MEDIA_TYPES``; lists of runs come without them.
    """

    kind: str
    value: Any
    note: str = ""
    body: bytes = b""


MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "text": "text/plain",
    "table": "application/json",
    "html": "text/html",
    "markdown": "text/markdown",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
}
"""What a result of each kind is, as a file."""

BODY_KINDS: Final = frozenset(MEDIA_TYPES) - {"json", "text"}
"""Kinds of results whose content is their ``body``."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One row of the history of runs.

    ``key`` and ``revision`` name the version; ``arguments`` are JSON values as they were given;
    ``actor`` is who asked (a user name, ``token``, ``cron``, ``host``); ``process`` is the replica
    that has it (see ``livegraft.process``), "" while it waits for one; ``output_bytes`` is the offset after the last
    byte of its output, more than what is kept of a long one.

    ``slot_at`` is the due time that it is for. A queued run whose ``process`` is "" waits, and whichever process comes
    first takes it when it is due.

    ``origin`` is the run that this one repeats: ``attempt`` counts from 1, and more than 1 means that livegraft
    started it again by itself (``retries``, ``retry-on-crash``). ``due_at`` is when a queued one may start at the
    earliest; ``request`` is the idempotency key that its starter gave. ``turn_group`` and ``priority`` are what it
    waits by: those of one script and group share a ``concurrency`` limit.
    """

    id: str
    script: str
    key: str
    revision: str
    trigger: Trigger
    actor: str
    arguments: Mapping[str, Any]
    state: RunState
    process: str
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: RunResult | None = None
    failure: RunFailure | None = None
    output_bytes: int = 0
    origin: str | None = None
    attempt: int = 1
    due_at: datetime | None = None
    request: str | None = None
    slot_at: datetime | None = None
    turn_group: str = ""
    priority: int = 0

    @property
    def waits(self) -> bool:
        """Whether no process has it yet."""
        return self.state is RunState.QUEUED and not self.process


_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LAST_MILLISECOND: Final = (1 << 45) - 1


def new_run_id() -> str:
    """A short id that sorts by time: nine characters of milliseconds, seven random ones (Crockford's base 32)."""
    value = (int(time.time() * 1000) << 35) | (int.from_bytes(os.urandom(5), "big") >> 5)
    return _text(value)


def _text(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(75, -1, -5))


def first_id_of(at: datetime) -> str:
    """The lowest id that a run may get at an instant or later."""
    milliseconds = min(max(0, int(at.timestamp() * 1000)), _LAST_MILLISECOND)
    return _text(milliseconds << 35)


def time_of_id(id: str) -> datetime:
    """When an id was made."""
    value = 0
    for character in id[:9]:
        value = value << 5 | max(0, _ALPHABET.find(character))
    return datetime.fromtimestamp(value / 1000, UTC)
