"""The ticker: one thread that starts runs at their due times and accounts for every slot.

Claiming a slot's row in the store is the right to run it. So several processes may tick over one
store, and a clock that is set back, a crash or a restart cannot run a slot twice.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from typing import Final, Protocol
from zlib import crc32

from livegraft.agenda import Agenda, Timer
from livegraft.clock import Clock
from livegraft.due import DEFAULT, GRACE, CatchUp, DueSlot, due_slots
from livegraft.errors import BusyError, LivegraftError, StoreError
from livegraft.header import Missed, Overlap
from livegraft.run import RunRecord
from livegraft.schedule import Schedule, forget_zones
from livegraft.store import SlotCause, SlotRecord, Slots, SlotState
from livegraft.zone_files import ZoneFiles

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 10.0
"""The wall clock is looked at this often at least: no timer tells when it was set, or the machine slept."""

RETRY_SECONDS: Final = (0.1, 5.0)
"""The first and the longest pause after a failure; each one is twice as long as the one before."""

NOTED_JUMP: Final = timedelta(minutes=1)
"""A jump of the clock that is told; smaller ones are what time servers do."""

ZONES_SECONDS: Final = 60.0
"""How often it is looked whether the rules of time zones changed."""

STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why slots are skipped for the time being: a quarantine, a pause, safe mode."""

    cause: SlotCause
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ticker knows of one live script.

    ``jitter`` spreads schedules that share a due time: each starts up to that much later, always by the
    same amount. While it is ``suspended`` its slots are skipped and say why. With ``overlap = "queue"`` at most
    ``overlap_limit`` slots wait.
    """

    schedules: tuple[Schedule, ...]
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = DEFAULT
    jitter: timedelta = timedelta(0)
    suspended: Suspension | None = None
    overlap_limit: int = 10


_NOTHING: Final = Entry(())


class Starter(Protocol):
    """Port: how the ticker starts runs. Called from the ticker's thread."""

    def open_run(self, script: str) -> str | None:
        """The id of a run of this script that waits for it, is queued or going, in any process on the store."""

    def waiting(self, script: str) -> int:
        """How many slots of a script wait for it to be free."""

    def prepare(self, script: str, slot_at: datetime, *, waits: bool) -> RunRecord:
        """A run of the script's live version, for the store; nothing is started or written.

        One that ``waits`` is begun when the script is free. A LivegraftError makes the slot skipped, with the error as
        its reason; StoreError is tried again.
        """

    def launch(self, run: RunRecord) -> None:
        """Start a prepared run, now that its row is written. A run that cannot start is to end as failed."""

    def replace(self, run: RunRecord) -> None:
        """Cancel all other runs of the script, so that this one, which waits, begins when they have ended."""


@dataclass(frozen=True, slots=True)
class ComingSlot:
    """The next slot of one schedule."""

    at: datetime
    script: str
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class _Decision:
    """What becomes of a slot: its row, with its run when it runs, which may replace others."""

    row: SlotRecord
    run: RunRecord | None = None
    replaces: bool = False


class Ticker:
    """Starts what is due and writes one row for each slot.

    ``told`` hears of slots that were not simply run at their time, ``jumped`` of jumps of the clock by a minute and
    more.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        clock: Clock,
        starter: Starter,
        told: Callable[[SlotRecord], None] = lambda slot: None,
        jumped: Callable[[timedelta], None] = lambda by: None,
    ) -> None:
        self._told = told
        self._jumped = jumped
        self._slots = slots
        self._clock = clock
        self._starter = starter
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        # Held while a slot is claimed. With it, what replan() or stop() took away is not claimed any more
        # when they return. Taken before _lock where both are.
        self._claiming = threading.Lock()
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._timers: dict[tuple[str, str], Timer] = {}  # by script and id of its schedule
        self._unplaced: list[Timer] = []
        self._left: list[tuple[str, str]] = []
        # Of the thread alone:
        self._agenda = Agenda()
        self._behind: deque[Timer] = deque()
        self._settling: Timer | None = None
        self._latest = clock.now()
        self._latest_monotonic = clock.monotonic()
        self._zone_files = ZoneFiles()
        self._zones_at = self._latest_monotonic

    def start(self) -> None:
        """Begin to tick. Slots that went by since the store's anchors are accounted for first. Idempotent."""
        with self._lock:
            if self._thread and self._thread.is_alive():
                return
            self._stopping.clear()
            self._thread = threading.Thread(target=self._work, name="livegraft-ticker", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Start and claim nothing from now on. Idempotent; waits for a launch under way, at most 5 s."""
        with self._claiming:
            self._stopping.set()
        self._wake.set()
        thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join(STOP_SECONDS)

    def replan(self, entries: Mapping[str, Entry]) -> None:
        """Tick for these scripts and no others, from now on.

        A schedule that is here already keeps its place, one that left does not fire once this returns, and
        a new one counts from now.
        """
        now = self._clock.now()
        with self._claiming, self._lock:
            for script in self._entries.keys() - entries.keys():
                self._put(script, None, now)
            for script, entry in entries.items():
                self._put(script, entry, now)
        self._wake.set()

    def change(self, entries: Mapping[str, Entry | None]) -> None:
        """Tick for these scripts as it says from now on, or no more; as ``replan`` does, and all others go on."""
        now = self._clock.now()
        with self._claiming, self._lock:
            for script, entry in entries.items():
                self._put(script, entry, now)
        self._wake.set()

    def _put(self, script: str, entry: Entry | None, now: datetime) -> None:
        before = self._entries.pop(script, _NOTHING)
        entry = entry or _NOTHING
        if entry.schedules:
            self._entries[script] = entry
        for schedule in set(before.schedules).difference(entry.schedules):
            self._timers.pop((script, schedule.id)).gone = True
            self._left.append((script, schedule.id))
        for schedule in entry.schedules:
            key = (script, schedule.id)
            timer = self._timers.get(key)
            if timer is None:
                timer = self._timers[key] = Timer(script, schedule, seen_at=now)
            delay = _delay(script, schedule, entry.jitter)
            if timer.position is None or timer.delay != delay:
                timer.delay = delay
                self._unplaced.append(timer)

    def next_at(self, script: str) -> tuple[tuple[Schedule, datetime], ...]:
        """The next slot of each schedule of a script, in the order of its header; () for a script without any."""
        now = self._clock.now()
        with self._lock:
            entry = self._entries.get(script)
            timers = [self._timers[script, schedule.id] for schedule in entry.schedules] if entry else []
        return tuple((timer.schedule, timer.next_slot(now)) for timer in timers)

    def coming(self, count: int, until: datetime) -> Sequence[ComingSlot]:
        """The next slots until an instant, one of each schedule, the first ones; those of suspended scripts are none.

        Costs as much as it finds, however many schedules there are.
        """
        now = self._clock.now()
        # Timers that the thread has in hand are in the agenda again in a moment.
        in_hand = [timer for timer in (self._settling, *self._behind) if timer is not None and self._ticks(timer)]
        timers = {id(timer): timer for timer in (*in_hand, *self._agenda.first(count, until, self._ticks))}
        slots = [ComingSlot(timer.next_slot(now), timer.script, timer.schedule) for timer in timers.values()]
        return sorted((slot for slot in slots if slot.at <= until), key=lambda slot: (slot.at, slot.script))[:count]

    def all_coming(self, count: int, until: datetime) -> Sequence[ComingSlot]:
        """The first slots until an instant, of every schedule as often as it is due."""
        return _and_following(self.coming(count, until), count, until)

    def coming_of(self, script: str, count: int, until: datetime) -> Sequence[ComingSlot]:
        """The first slots of one script until an instant; none while it is suspended."""
        entry = self._entries.get(script)
        if entry is None or entry.suspended is not None:
            return ()
        first = [ComingSlot(at, script, schedule) for schedule, at in self.next_at(script)]
        return _and_following(first, count, until)

    def _ticks(self, timer: Timer) -> bool:
        entry = self._entries.get(timer.script)
        return entry is not None and entry.suspended is None and not timer.gone

    def _work(self) -> None:
        failures = 0
        while True:
            # Cleared before looking: what is planned from here on ends the wait below.
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                pause = self._turn()
                failures = 0
            except Exception as error:
                # The schedules of all scripts hang on this thread: it outlives every fault.
                first, longest = RETRY_SECONDS
                pause = min(longest, first * 2 ** min(failures, 20))
                failures += 1
                known = isinstance(error, StoreError)
                if failures == 1 or not known:  # a history that is away is told once, however long it is
                    logger.error("the ticker failed, next try in %.1f s: %s", pause, error, exc_info=not known)
            if pause > 0:
                self._clock.wait(self._wake, pause)

    def _turn(self) -> float:
        """Settle at most one timer, the most urgent; the seconds until the next is due."""
        self._forget_what_left()
        self._place_newcomers()
        now = self._clock.now()
        self._follow_clock(now)
        self._follow_zones()
        timer = self._settling = self._next_timer(now)
        if timer:
            self._settle(timer)
            return 0.0
        next_at = self._agenda.next_at()
        until_next = (next_at - now).total_seconds() if next_at else LONGEST_WAIT_SECONDS
        return min(LONGEST_WAIT_SECONDS, until_next)

    def _forget_what_left(self) -> None:
        while self._left:
            self._slots.forget(*self._left[0])
            del self._left[0]

    def _place_newcomers(self) -> None:
        now = self._clock.now()
        with self._lock:
            newcomers = [timer for timer in self._unplaced if not timer.gone]
            taken = len(self._unplaced)
        for seen_at, group in groupby(newcomers, key=lambda timer: timer.seen_at):
            timers = {(timer.script, timer.schedule.id): timer for timer in group}
            anchors = self._slots.anchors(timers, min(seen_at, now))
            for key, timer in timers.items():
                self._agenda.put(timer, timer.place(anchors[key]))
        with self._lock:
            del self._unplaced[:taken]

    def _follow_clock(self, now: datetime) -> None:
        """After the clock was set back, count again from where it is: what has run already cannot be claimed again."""
        back = self._latest - now
        monotonic = self._clock.monotonic()
        jump = -back - timedelta(seconds=monotonic - self._latest_monotonic)
        self._latest, self._latest_monotonic = now, monotonic
        if abs(jump) >= NOTED_JUMP:
            logger.warning("the clock jumped by %s: it was set, or the machine slept", jump)
            self._jumped(jump)
        if back <= timedelta(0):
            return
        if back > timedelta(seconds=1):
            logger.warning("the clock went back by %s; slots that were decided are not run again", back)
        with self._lock:
            ahead = [timer for timer in self._timers.values() if timer.position and timer.position > now]
            for timer in ahead:
                timer.seen_at = now
            self._unplaced += ahead
        self._place_newcomers()

    def _follow_zones(self) -> None:
        """After the rules of zones changed, count on by the new ones from where each schedule is: no slot is silent."""
        if self._clock.monotonic() < self._zones_at:
            return
        self._zones_at = self._clock.monotonic() + ZONES_SECONDS
        with self._lock:
            timers = [timer for timer in self._timers.values() if timer.schedule.timezone != Schedule.UTC]
        changed = self._zone_files.changed({timer.schedule.timezone for timer in timers})
        if not changed:
            return
        logger.warning("the rules of %s changed on disk; schedules follow the new ones", ", ".join(sorted(changed)))
        forget_zones()
        for timer in timers:
            # Those without a position are placed later, by the new rules too.
            if timer.schedule.timezone in changed and timer.position is not None:
                self._agenda.put(timer, timer.place(timer.position))

    def _next_timer(self, now: datetime) -> Timer | None:
        """Timers on time come before those that are behind, so that a long catch-up delays no one else."""
        while due := self._agenda.take_due(now):
            due_at, timer = due
            if now - due_at < GRACE:
                return timer
            self._behind.append(timer)
        return self._behind.popleft() if self._behind else None

    def _settle(self, timer: Timer) -> None:
        """Decide the due slots of one timer, oldest first, and put it back for its next."""
        with self._lock:
            entry = self._entries.get(timer.script)
        if entry is None or timer.gone or timer.position is None:
            return
        position = timer.position
        until = self._clock.now() - timer.delay
        try:
            decided = partial(self._decided, timer)
            for slot in due_slots(timer.schedule, position, until, entry.catch_up, decided):
                if not self._carry_out(timer, entry, self._decide(timer, entry, slot)):
                    break
                position = slot.slot_at
                if slot.late and self._agenda.is_due(self._clock.now()):
                    break
            else:
                if timer.schedule.next_after(position) <= until:  # those were decided before
                    position = until
        finally:
            self._agenda.put(timer, timer.place(position))

    def _decided(self, timer: Timer, first: datetime, last: datetime) -> Collection[datetime]:
        """Slots that have a row which stays as it is; missed ones that a clock told which was ahead come anew."""
        now = self._clock.now()
        rows = self._slots.between(timer.script, timer.schedule.id, first, last)
        return {row.slot_at for row in rows if row.state is not SlotState.MISSED or row.decided_at <= now}

    def _decide(self, timer: Timer, entry: Entry, slot: DueSlot) -> _Decision:
        """What becomes of the slot."""
        if slot.missed_reason:
            return _Decision(self._row(timer, slot, SlotState.MISSED, SlotCause.LATE, slot.missed_reason))
        if entry.suspended:
            return self._skipped(timer, slot, entry.suspended.cause, entry.suspended.reason)
        try:
            return self._decide_to_run(timer, entry, slot)
        except StoreError:
            raise
        except LivegraftError as error:
            return self._skipped(timer, slot, SlotCause.ERROR, str(error))
        except Exception as error:
            # A fault with one script must not hold up the others.
            logger.exception("the slot %s of %s was skipped", slot.slot_at, timer.script)
            return self._skipped(timer, slot, SlotCause.ERROR, f"{type(error).__name__}: {error}")

    def _decide_to_run(self, timer: Timer, entry: Entry, slot: DueSlot) -> _Decision:
        script, overlap = timer.script, entry.overlap
        open_run = None if overlap is Overlap.PARALLEL else self._starter.open_run(script)
        if open_run is None:
            cause, reason = (SlotCause.LATE, "caught up") if slot.late else (SlotCause.NONE, "")
        elif slot.late and entry.catch_up.missed is Missed.ALL:
            cause, reason = SlotCause.LATE, f"caught up behind run {open_run}"
        elif overlap is Overlap.REPLACE:
            cause, reason = SlotCause.OVERLAP, f"replaces run {open_run}, which was still going"
        elif overlap is Overlap.SKIP:
            return self._skipped(timer, slot, SlotCause.OVERLAP, f"run {open_run} is still going")
        elif (waiting := self._starter.waiting(script)) >= entry.overlap_limit:
            reason = f"run {open_run} is still going, and {waiting} slots wait: as many as overlap-limit allows"
            return self._skipped(timer, slot, SlotCause.OVERLAP, reason)
        else:
            cause, reason = SlotCause.OVERLAP, f"waits behind run {open_run}"
        run = self._starter.prepare(script, slot.slot_at, waits=open_run is not None)
        row = self._row(timer, slot, SlotState.RAN, cause, reason, run_id=run.id)
        return _Decision(row, run, replaces=open_run is not None and overlap is Overlap.REPLACE)

    def _skipped(self, timer: Timer, slot: DueSlot, cause: SlotCause, reason: str) -> _Decision:
        return _Decision(self._row(timer, slot, SlotState.SKIPPED, cause, reason))

    def _row(
        self, timer: Timer, slot: DueSlot, state: SlotState, cause: SlotCause, reason: str, *, run_id: str | None = None
    ) -> SlotRecord:
        decided_at = self._clock.now()
        return SlotRecord(timer.script, timer.schedule.id, slot.slot_at, state, decided_at, run_id, reason, cause)

    def _carry_out(self, timer: Timer, entry: Entry, decision: _Decision) -> bool:
        """Claim the slot and start its run; False when that is not to be: the timer or the ticker ended meanwhile."""
        row, run = decision.row, decision.run
        with self._claiming:
            if timer.gone or self._stopping.is_set():
                return False
            alone = run is not None and run.due_at is None and entry.overlap is not Overlap.PARALLEL
            try:
                won = self._slots.claim(row, run, catches_up=entry.catch_up.missed is Missed.LATEST, alone=alone)
            except BusyError:
                return False  # another process had one begin since the slot was decided: it is decided anew
        if won:
            self._follow_up(row, run, decision.replaces)
        return True

    def _follow_up(self, row: SlotRecord, run: RunRecord | None, replaces: bool) -> None:
        try:
            if run and replaces:
                self._starter.replace(run)
            if run:
                self._starter.launch(run)
            if row.cause is not SlotCause.NONE:
                self._told(row)
        except Exception:
            logger.exception("what follows from the slot %s of %s was not done", row.slot_at, row.script)


def _and_following(first: Iterable[ComingSlot], count: int, until: datetime) -> Sequence[ComingSlot]:
    """The next slots of some schedules and those that follow them, the first ones of all."""

    def slots(coming: ComingSlot) -> Iterator[ComingSlot]:
        if coming.at <= until:
            yield coming
            yield from (replace(coming, at=at) for at in coming.schedule.between(coming.at, until))

    merged = heapq.merge(*map(slots, first), key=lambda slot: (slot.at, slot.script))
    return list(islice(merged, count))


def _delay(script: str, schedule: Schedule, jitter: timedelta) -> timedelta:
    if not jitter:
        return jitter
    # By a hash and not by chance: the same in every process and after every restart, so spaces stay even.
    return jitter * (crc32(f"{script} {schedule.id}".encode()) / 2**32)
