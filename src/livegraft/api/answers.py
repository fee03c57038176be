"""What answers are made of, field by field, as the OpenAPI document lists it; ``shapes`` makes them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict  # pydantic reads no other on Python 3.11

from livegraft.catalog import ScriptState
from livegraft.run import RunState, Trigger
from livegraft.store import Outcome, ReleaseState, SlotCause, SlotState
from livegraft.version import VersionState

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time", "description": "in UTC"})]


class VersionName(TypedDict):
    key: str
    revision: str


class LiveVersion(VersionName):
    loaded_at: Time


class KnownVersion(LiveVersion):
    author: str
    subject: str
    live: bool


class Failure(TypedDict):
    """``type`` is the exception's name or one of ``timeout``, ``cancelled``, ``lost``, ``stuck``."""

    type: str
    message: str
    path: str | None
    line: int
    traceback: str


class ScriptFailure(Failure):
    revision: str
    author: str
    at: Time
    key: str


class Restraint(TypedDict):
    """What a person decided; a pin names the version."""

    reason: str
    actor: str
    at: Time
    key: NotRequired[str]
    revision: NotRequired[str]


class Schedule(TypedDict):
    cron: str
    timezone: str
    words: str
    next_at: Time | None


class Environment(TypedDict):
    key: str
    packages: list[str]


class Script(TypedDict):
    name: str
    state: ScriptState
    words: str
    newer: VersionName | None
    description: str
    owner: str
    tags: list[str]
    schedule: list[Schedule]
    version: LiveVersion | None
    error: ScriptFailure | None
    quarantined: bool
    quarantine: Restraint | None
    pinned: bool
    pin: Restraint | None
    paused: bool
    pause: Restraint | None
    header: dict[str, Any]
    is_async: bool
    isolated: str
    place: str
    environment: Environment | None
    warnings: list[str]
    parameters: dict[str, Any]


class ClockChange(TypedDict):
    at: Time
    words: str


class Forecast(TypedDict):
    cron: str
    timezone: str
    upcoming: list[Time]
    clock_changes: list[ClockChange]


class WholeScript(Script):
    versions: list[KnownVersion]
    forecast: list[Forecast]


class Scripts(TypedDict):
    scripts: list[Script]
    next: str | None


class Bar(TypedDict):
    fraction: float | None
    text: str


class Run(TypedDict):
    id: str
    script: str
    state: RunState
    trigger: Trigger
    actor: str
    version: VersionName
    arguments: dict[str, Any]
    queued_at: Time
    started_at: Time | None
    ended_at: Time | None
    result: Any
    result_kind: str | None
    result_note: str
    error: Failure | None
    progress: list[Bar]
    output_bytes: int
    origin: str | None
    attempt: int
    due_at: Time | None
    slot_at: Time | None


class Runs(TypedDict):
    runs: list[Run]
    next: str | None
    looked_back_to: Time | None


class Refusal(TypedDict):
    code: str
    message: str


class Done(TypedDict):
    run: str
    again: str | None
    refused: Refusal | None


class ManyDone(TypedDict):
    done: list[Done]
    next: str | None


class Choice(TypedDict):
    value: str | int | float | bool
    label: str


class Offer(TypedDict):
    values: list[Choice]
    problem: str


class Choices(TypedDict):
    choices: dict[str, Offer]


class Artifact(TypedDict):
    name: str
    bytes: int


class Artifacts(TypedDict):
    artifacts: list[Artifact]


class MissingSlot(TypedDict):
    schedule: str
    slot_at: Time
    state: SlotState | None
    reason: str


class Backfill(TypedDict):
    slots: list[MissingSlot]
    runs: list[str]


class ScriptOutcome(TypedDict):
    """``live``: of the newest commit, the version that serves in place of one that is not live."""

    script: str
    outcome: Outcome
    key: str
    error: Failure | None
    live: NotRequired[LiveVersion | None]


class ScriptOutcomes(TypedDict):
    scripts: list[ScriptOutcome]
    next: str | None


class Release(TypedDict):
    id: int
    revision: str
    author: str
    subject: str
    committed_at: Time
    state: ReleaseState
    steps: dict[str, Time]
    scripts: list[ScriptOutcome]
    counts: dict[Outcome, int]
    unchanged: int
    error: str


class Releases(TypedDict):
    releases: list[Release]
    next: int | None


class Return(TypedDict):
    script: str
    now: str | None
    to: VersionName


class Remains(TypedDict):
    script: str
    why: str


class RollBack(TypedDict):
    revision: str
    returns: list[Return]
    remains: list[Remains]
    pinned: list[str]


class Unpinned(TypedDict):
    unpinned: list[str]


class SyncReport(TypedDict):
    revision: str
    state: ReleaseState
    error: str
    scripts: list[ScriptOutcome]


class Held(TypedDict):
    held: Restraint | None


class Health(TypedDict):
    status: str
    sync: str
    revision: str | None
    refused: str | None
    crash: str | None
    safe_mode: str | None
    history: str
    scripts: int
    failed_scripts: int
    preparing_scripts: int
    open_runs: int
    versions: int
    restart_needed: list[str]
    probe: str


class Link(TypedDict):
    login_token: str


class Version(TypedDict):
    name: str
    path: str
    key: str
    revision: str
    state: VersionState
    since: Time
    loaded_at: Time | None
    objects: int | None
    holders: list[str]
    stacks: list[str]
    undone: list[str]
    error: str
    scripts: list[str]


class Versions(TypedDict):
    versions: list[Version]


class Replica(TypedDict):
    identity: str
    host: str
    pid: int
    address: str | None
    revision: str | None
    started_at: Time
    beat_at: Time
    livegraft: str
    python: str
    is_here: bool


class Replicas(TypedDict):
    replicas: list[Replica]


class Requirement(TypedDict):
    target: str
    signature: str | None
    is_async: bool | None
    text: str


class Requirements(TypedDict):
    requirements: list[Requirement]


class Stall(TypedDict):
    at: Time
    seconds: float
    thread: int
    name: str
    path: str
    line: int
    function: str
    revision: str
    stack: str
    was_last: bool


class Stalls(TypedDict):
    stalls: list[Stall]


class Slot(TypedDict):
    script: str
    schedule: str
    slot_at: Time
    state: SlotState
    decided_at: Time
    lateness_seconds: float
    run: str | None
    cause: SlotCause
    reason: str


class Slots(TypedDict):
    slots: list[Slot]
    next: str | None


class SharedName(TypedDict):
    name: str
    keys: int
    bytes: int
    changed_at: Time


class SharedNames(TypedDict):
    shared: list[SharedName]


class SharedValue(TypedDict):
    key: str
    value: Any
    changed_at: Time
    expires_at: Time | None


class SharedValues(SharedName):
    values: list[SharedValue]
    next: str | None


class Change(TypedDict):
    id: int
    at: Time
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class Audit(TypedDict):
    audit: list[Change]
    next: int | None
