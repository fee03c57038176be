"""The history: what happened, kept in a database behind one port.

A store is seven ledgers, each with the questions and entries of one concept. Every adapter
passes the suite in ``tests/conformance/store``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from livegraft.run import RunFailure, RunRecord, RunResult, RunState
from livegraft.run_filter import RunFilter, RunsFound, RunSpan


class ReleaseState(StrEnum):
    """What became of a commit: ``live`` now, ``superseded`` by a later one, ``refused``, or still ``loading``."""

    LOADING = "loading"
    LIVE = "live"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


COUNTED: Final = 1000
"""So many scripts of one outcome are counted of a release, and no more."""

FIRST_SCRIPTS: Final = 20
"""So many scripts of a release are told with it."""


class Outcome(StrEnum):
    """What a commit did to one script; ``withheld``: it would have changed it, but was refused as a whole.

    ``preparing``: the environment of its new version is being made.
    """

    LOADED = "loaded"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    FAILED = "failed"
    PREPARING = "preparing"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """One line of a release: what it did to a script; ``failure`` says why it failed (path, line, message)."""

    script: str
    outcome: Outcome
    key: str = ""
    failure: RunFailure | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One commit's life. ``steps`` maps seen, fetched, planned, loaded, live, drained, unloaded to UTC times.

    ``scripts`` are those that it did something to, those that failed first: all of them, or as many as were asked for.
    ``counts`` says of how many it did what, up to ``COUNTED`` of each; ``unchanged`` counts the rest.
    """

    id: int
    revision: str
    author: str
    subject: str
    committed_at: datetime
    state: ReleaseState
    steps: Mapping[str, datetime] = field(default_factory=dict)
    scripts: tuple[ScriptOutcome, ...] = ()
    unchanged: int = 0
    error: str = ""
    counts: Mapping[Outcome, int] = field(default_factory=dict)

    @property
    def more(self) -> int:
        """How many scripts are counted beside those that are told."""
        return sum(self.counts.values()) - len(self.scripts)


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version that was live once: ``revision`` is the first that brought it."""

    script: str
    key: str
    revision: str
    author: str
    subject: str
    loaded_at: datetime


class SlotState(StrEnum):
    """The one outcome of a due time. ``ran``: it has a run of its own, which may still wait for its turn."""

    RAN = "ran"
    SKIPPED = "skipped"
    MISSED = "missed"


TALLIED: Final = 100
"""Of one state in one span so many slots are counted, and no more."""


@dataclass(frozen=True, slots=True)
class SlotTally:
    """What became of the slots of a span of time from ``since`` on; a count of ``TALLIED`` means that or more.

    ``failed`` counts those of them that ran and whose run failed, timed out, got stuck or was lost.
    """

    since: datetime
    ran: int = 0
    skipped: int = 0
    missed: int = 0
    failed: int = 0


SlotPlace = tuple[datetime, str, str]
"""Where a slot stands in lists: its time, its script, its schedule."""


class SlotCause(StrEnum):
    """Why a slot was not simply run at its time; ``none`` when it was."""

    NONE = ""
    OVERLAP = "overlap"
    QUARANTINE = "quarantine"
    PAUSED = "paused"
    SAFE_MODE = "safe mode"
    LATE = "late"
    ZONE = "zone"
    BACKFILL = "backfill"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """One due time of one schedule: unique by (script, schedule, slot_at).

    ``schedule`` is ``CRON ZONE``, e.g. ``0 7 * * * Europe/Berlin``; ``reason`` says why it was not simply run.
    ``run_id`` is its run; of a missed one, the run of a later slot that caught it up.
    """

    script: str
    schedule: str
    slot_at: datetime
    state: SlotState
    decided_at: datetime
    run_id: str | None = None
    reason: str = ""
    cause: SlotCause = SlotCause.NONE

    @property
    def place(self) -> SlotPlace:
        """Where it stands in lists: the ``before`` of the page behind it."""
        return self.slot_at, self.script, self.schedule

    @property
    def lateness(self) -> timedelta:
        """How long after its time it was decided; jitter is part of it."""
        return max(timedelta(0), self.decided_at - self.slot_at)


class RestraintKind(StrEnum):
    """A standing decision: quarantine or pin a script, pause its schedules, hold the repository.

    Of crashes: refuse a commit, safe mode.
    """

    QUARANTINE = "quarantine"
    PIN = "pin"
    PAUSE = "pause"
    HOLD = "hold"
    REFUSE_COMMIT = "refuse commit"
    SAFE_MODE = "safe mode"


@dataclass(frozen=True, slots=True)
class Restraint:
    """``subject`` is the script's name, a commit's id, or "" for the repository.

    A pin names the ``key`` and its ``revision``.
    """

    kind: RestraintKind
    subject: str
    actor: str
    at: datetime
    reason: str = ""
    key: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who changed what state, when: ``action`` is a verb (run, cancel, pin ...), ``subject`` its object."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All of it must hold; what is left empty holds for every row. ``until`` is not included."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditFound:
    """Newest first. ``next`` is the ``before`` of the page behind, None when there is nothing more.

    A page may end before it is full, because one question looks through a bounded part of the history.
    """

    rows: Sequence[AuditRecord]
    next: int | None = None


@dataclass(frozen=True, slots=True)
class SharedValue:
    """One key of shared data: ``text`` is its value as JSON; after ``expires_at`` it is gone."""

    key: str
    text: str
    changed_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SharedName:
    """What is kept under one name: how many keys, the bytes of their values, the last change."""

    name: str
    key_count: int
    byte_count: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class SharedLock:
    """Who updates a name at present (an id of the update), and until when others wait for it at most."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class LastRun:
    """One of the last runs of a script, as lists draw them."""

    id: str
    state: RunState
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class GivenArguments:
    """What one run was given, and when."""

    run_id: str
    queued_at: datetime
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """One process with livegraft in it, as the others know it.

    ``beats`` counts up as long as it lives, ``beat_at`` is when it last did, by its clock. ``address`` is where it
    serves pages, "" when its host does; ``revision`` the commit that is live in it. ``livegraft`` and ``python`` are
    their versions.
    """

    identity: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    beats: int = 0
    address: str = ""
    revision: str = ""
    livegraft: str = ""
    python: str = ""


class Claimed(StrEnum):
    """What came of claiming a run: ``taken``; ``gone``, to another or ended; ``full``, its group has no place."""

    TAKEN = "taken"
    GONE = "gone"
    FULL = "full"


class Runs(Protocol):
    """The ledger of runs and their output."""

    def add(self, run: RunRecord) -> RunRecord:
        """Write a new run (queued or starting) before anything of it executes.

        Returns it, or the one that is there already of the same script and request: then nothing is written.
        """

    def start(self, id: str, started_at: datetime) -> None:
        """Set state running."""

    def end(
        self,
        id: str,
        state: RunState,
        ended_at: datetime,
        *,
        result: RunResult | None = None,
        failure: RunFailure | None = None,
        output_bytes: int = 0,
    ) -> bool:
        """Close a run; False when it has a final state already: then it stays as it is."""

    def claim(self, limits: Mapping[str, int], process: str) -> Mapping[str, Claimed]:
        """Take queued runs, by id, that wait for any process or for this one: they are starting then, and its own.

        With a limit other than 0 a run is taken only while fewer of its script and group have begun, in any process.
        """

    def offer(self, ids: Iterable[str], process: str) -> None:
        """Have runs wait for any process that this one has and did not begin."""

    def has_news(self) -> bool:
        """Whether a run waits for a place in any process, or is to be cancelled by one: asked often, costs little."""

    def for_anyone(self, limit: int) -> Sequence[RunRecord]:
        """Runs that wait for a place and not for a time, in any process, in the order in which they should begin."""

    def still_waiting(self, ids: Iterable[str]) -> set[str]:
        """Those of some runs that still wait for any process."""

    def ask_cancel(self, id: str) -> None:
        """Have whichever process has a run cancel it."""

    def asked_to_cancel(self, process: str) -> Sequence[str]:
        """Open runs of a process that it is to cancel; each is told once."""

    def processes(self) -> Sequence[str]:
        """The processes that have open runs."""

    def update(self, runs: Iterable[RunRecord]) -> None:
        """Write what became of runs, in one transaction: version, state, start, end, result, failure, output's size.

        A run that has a final state already, or that another process has, stays as it is.
        """

    def get(self, id: str) -> RunRecord | None: ...

    def states(self, ids: Iterable[str]) -> Mapping[str, RunState]:
        """How some runs stand, by id; without those that are not there."""

    def repeats(self, id: str) -> Sequence[RunRecord]:
        """The runs that repeat one, oldest first."""

    def find(
        self,
        *,
        script: str | None = None,
        states: Iterable[RunState] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        """Newest first; ``before`` is the id of the last row of the page before."""

    def search(self, which: RunFilter, *, before: str | None = None, limit: int = 50) -> RunsFound:
        """Newest first, behind ``before``; costs the same however long the history is, see ``RunsFound``."""

    def spans(self, which: RunFilter, limit: int) -> Sequence[RunSpan]:
        """The newest runs that ``search`` finds on its first page, in short."""

    def given(self, script: str, limit: int) -> Sequence[GivenArguments]:
        """What the newest runs of a script were given, newest first."""

    def last_by_script(self, scripts: Iterable[str], each: int) -> Mapping[str, Sequence[LastRun]]:
        """The newest ``each`` runs of every named script, newest first."""

    def open(self) -> Sequence[RunRecord]:
        """Runs in an open state, of every process on this store and of none."""

    def waiting(self, *, script: str | None = None, due_by: datetime | None = None) -> Sequence[RunRecord]:
        """Queued runs that no process has, by the time at which they are due; at most 10,000."""

    def next_due(self) -> datetime | None:
        """When the first of the waiting runs is due."""

    def take(self, id: str, process: str, *, alone_in: str = "") -> bool:
        """Give a waiting run to a process; False when another one has it, or it has ended.

        With ``alone_in``, a script, raises BusyError when that has an open run in another process.
        """

    def result_body(self, id: str) -> bytes:
        """The body of a run's result; runs themselves are given without it. Empty when there is none."""

    def append_output(self, chunks: Iterable[tuple[str, int, bytes]]) -> None:
        """Keep output: (run id, byte offset, bytes). Offsets of one run are written in order."""

    def keep_marks(self, marks: Iterable[tuple[str, bytes]]) -> None:
        """Keep when and at which level output was written: (run id, marks), once for each run."""

    def marks(self, id: str) -> bytes:
        """What ``keep_marks`` got for a run, empty when nothing."""

    def output(self, id: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Kept output from a byte offset, at most ``limit`` bytes."""


class Releases(Protocol):
    """The ledger of commits and of the versions they brought."""

    def add(self, release: ReleaseRecord) -> int:
        """Write a new release (its ``id`` is ignored) and return the id."""

    def update(
        self,
        id: int,
        *,
        state: ReleaseState | None = None,
        steps: Mapping[str, datetime] | None = None,
        scripts: Sequence[ScriptOutcome] | None = None,
        unchanged: int | None = None,
        error: str | None = None,
    ) -> None:
        """Change what is given; ``steps`` are added to those known. Going live supersedes the live one before."""

    def get(self, revision: str) -> ReleaseRecord | None:
        """The newest release of a revision."""

    def named(self, revision: str) -> ReleaseRecord | None:
        """Of a revision that begins so the release that brought it: the first of it that went live.

        Every process that starts at a revision writes a release of it.
        """

    def keys_before(self, id: int, scripts: Collection[str]) -> Mapping[str, str]:
        """The keys that were live of some scripts right before a release; without those that had none.

        The work grows with the releases that are kept.
        """

    def find(
        self, *, before: int | None = None, limit: int = 50, most_scripts: int = FIRST_SCRIPTS
    ) -> Sequence[ReleaseRecord]:
        """Newest first, before the given release id; of each at most so many scripts, those that failed first."""

    def live(self, *, most_scripts: int = FIRST_SCRIPTS) -> ReleaseRecord | None: ...

    def scripts(
        self, id: int, *, outcome: Outcome | None = None, after: str = "", limit: int = 50
    ) -> Sequence[ScriptOutcome]:
        """What a release did to scripts, by name, from behind the one that is named."""

    def settled(self, limit: int = 50) -> Sequence[tuple[str, datetime]]:
        """Revisions that have the step ``settled``, and when they had it last; the last first."""

    def add_versions(self, versions: Iterable[VersionRecord]) -> None:
        """Remember versions of scripts that went live; one that is known keeps its first revision."""

    def versions(self, script: str, limit: int = 50) -> Sequence[VersionRecord]:
        """Versions of a script, newest first."""

    def version(self, script: str, key: str) -> VersionRecord | None: ...

    def known(self, versions: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], VersionRecord]:
        """Those of some versions that are remembered, by script and key."""

    def were_live(self, versions: Iterable[tuple[str, str]]) -> Collection[tuple[str, str]]:
        """Those of some versions, by script and key, that were live once."""


class Slots(Protocol):
    """The ledger of due times."""

    def anchor(self, script: str, schedule: str, now: datetime) -> datetime:
        """The instant after which slots of this schedule count: the slot claimed last, else when it was first seen.

        If that is later than ``now``, a clock that was ahead told it: they count from the newest slot that is not
        later, and do so from then on. The first call for a schedule stores ``now`` as first seen.
        """

    def anchors(self, schedules: Iterable[tuple[str, str]], now: datetime) -> Mapping[tuple[str, str], datetime]:
        """``anchor`` for many schedules at once."""

    def claim(
        self, slot: SlotRecord, run: RunRecord | None = None, *, catches_up: bool = False, alone: bool = False
    ) -> bool:
        """Write the slot, with its run in the same transaction; False when the slot has a row already.

        With ``alone`` raises BusyError, and nothing is written, when the script has an open run in another process.

        A slot that a clock which was ahead saw missed, and that comes due again since, gets its row anew.
        With ``catches_up`` the missed slots between the one before that was not missed and this one get its run.
        """

    def backfill(self, slot: SlotRecord, run: RunRecord) -> bool:
        """Write the slot and its run; one that was skipped or missed changes. False when it has a run of its own."""

    def between(self, script: str, schedule: str, first: datetime, last: datetime) -> Sequence[SlotRecord]:
        """The slots of a schedule from one instant to another, both included, oldest first."""

    def forget(self, script: str, schedule: str) -> None:
        """Drop the anchor of a schedule that left; its slots stay, and if it comes back it starts from then."""

    def tally(self, since: datetime, span: timedelta, count: int, script: str | None = None) -> Sequence[SlotTally]:
        """How many slots ran, failed, were skipped and missed in so many spans of time, oldest first.

        Costs as much as the spans, however many slots there are.
        """

    def find(
        self,
        *,
        script: str | None = None,
        states: Iterable[SlotState] = (),
        before: SlotPlace | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> Sequence[SlotRecord]:
        """Newest first, then by script and schedule; only those behind a place in that order, if it is given.

        With ``since`` only those from that instant on, with ``until`` only those before it.
        """


class Restraints(Protocol):
    """The ledger of standing decisions: quarantines, pins, the hold."""

    def put(self, *restraints: Restraint) -> None:
        """Add or replace the decision of its kind on its subject; of several all or none."""

    def drop(self, kind: RestraintKind, *subjects: str) -> bool:
        """Lift those on these subjects; False when there was none."""

    def all(self) -> Sequence[Restraint]: ...


class Audit(Protocol):
    """The ledger of who did what."""

    def add(self, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None: ...

    def find(
        self, *, action: str | None = None, subject: str | None = None, before: int | None = None, limit: int = 50
    ) -> Sequence[AuditRecord]:
        """Newest first; only of an action and a subject, if they are given."""

    def search(self, which: AuditFilter, *, before: int | None = None, limit: int = 50) -> AuditFound:
        """Newest first, behind ``before``; costs the same however long the history is, see ``AuditFound``."""


class SharedRows(Protocol):
    """One name of the shared data inside a transaction: what is changed is committed as one, or not at all.

    Expired values are not among them.
    """

    lock: SharedLock | None
    """May be set: it is kept with the name."""

    @property
    def is_new(self) -> bool:
        """Whether the name was not known before this transaction."""

    @property
    def key_count(self) -> int: ...

    def name_count(self) -> int:
        """How many names are known."""

    def get(self, key: str) -> SharedValue | None: ...

    def put(self, value: SharedValue) -> None:
        """Add a key or replace it."""

    def drop(self, key: str) -> bool:
        """Delete a key; False when there was none."""

    def drop_all(self) -> None:
        """Delete every key of the name."""


class Shared(Protocol):
    """The ledger of shared data. Values that expired by ``now`` are in no answer."""

    def get(self, name: str, key: str, now: datetime) -> SharedValue | None: ...

    def find(
        self, name: str, now: datetime, *, after: str | None = None, limit: int | None = None
    ) -> Sequence[SharedValue]:
        """The values of a name as of one moment, by key, behind a given key."""

    def keys(self, name: str, now: datetime) -> Sequence[str]:
        """The keys of a name, in their order."""

    def names(self, now: datetime, name: str | None = None) -> Sequence[SharedName]:
        """Every name that has a value, in order, or the one that is given."""

    def changing(self, name: str, now: datetime) -> AbstractContextManager[SharedRows]:
        """A transaction on one name that no other writer is in. What expired by ``now`` is pruned by the way."""

    def prune(self, now: datetime) -> None:
        """Forget what expired under every name."""


class Retention(Protocol):
    """What of the ledgers may be deleted because it is old. Each call is one small transaction at most."""

    def next_script(self, after: str) -> str | None:
        """The first name behind another, "" for the very first, of a script that has runs or slots."""

    def first_kept(self, script: str, runs: int | None, size: int | None, left: Mapping[str, int]) -> str:
        """The oldest run of a script that may stay: with the newer ones it is at most so many, with at most ``size``
        bytes. ``left`` are bytes beside the store, by run. "" when all may; the newest may always.
        """

    def trim_runs(
        self, script: str, *, before: str, older_than: datetime | None, after: str, limit: int
    ) -> tuple[Sequence[str], str | None]:
        """Delete ended runs that are older than the run ``before`` or than a time, with all that is kept of them.

        Looks at ``limit`` at most, the oldest first, from behind ``after`` on. Returns the ids of those that are gone,
        and the id to go on behind, None at the end.
        """

    def trim_slots(self, script: str, *, runs: int | None, older_than: datetime | None, limit: int) -> int:
        """Delete slots of a script beyond the newest ``runs``, and older than a time; how many.

        The last one of a schedule that has an anchor stays. No slot up to the newest deleted one can be claimed again.
        """

    def trim_releases(self, keep: int, limit: int) -> int:
        """Delete releases beyond the newest ``keep``, but neither the live one nor the last that settled."""

    def trim_versions(self, script: str, keep: int) -> int:
        """Forget versions of a script beyond the newest ``keep`` that are not pinned."""

    def trim_audit(self, older_than: datetime, limit: int) -> int:
        """Delete rows of the audit that are older, the oldest first."""

    def give_back(self, pages: int) -> int:
        """Return space that deleted rows left to the disk, a small piece of it; 0 when there is not much."""


class Replicas(Protocol):
    """The ledger of the processes that share this store."""

    def add(self, replica: ReplicaRecord) -> None: ...

    def beat(self, identity: str, at: datetime, revision: str, address: str) -> bool:
        """Say that it lives, which commit is live in it and where it serves; False when it was dropped."""

    def drop(self, identity: str) -> bool:
        """It lives no more; False when that was known."""

    def all(self) -> Sequence[ReplicaRecord]:
        """By the time at which they started."""


class Store(Protocol):
    """Port: the seven ledgers, and what may be deleted of them.

    Methods may be called from any thread; failures raise StoreError.
    """

    @property
    def runs(self) -> Runs: ...

    @property
    def releases(self) -> Releases: ...

    @property
    def slots(self) -> Slots: ...

    @property
    def restraints(self) -> Restraints: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def shared(self) -> Shared: ...

    @property
    def retention(self) -> Retention: ...

    @property
    def replicas(self) -> Replicas: ...

    def check(self) -> None:
        """Raise StoreError when the history could not be written now. For one that looks every second."""

    def size(self) -> int:
        """The bytes that the history takes on its disk."""

    def close(self) -> None: ...
