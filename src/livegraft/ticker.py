"""The ticker: one thread that starts runs at their due times and accounts for every slot.

Claiming a slot's row in the store is the right to run it. So several processes may tick over one
store, and a clock that is set back, a crash or a restart cannot run a slot twice.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, groupby
from typing import Final, Protocol
from zlib import crc32

from livegraft.clock import Clock
from livegraft.due import GRACE, DueSlot, due_slots
from livegraft.errors import LivegraftError, StoreError
from livegraft.header import Missed, Overlap
from livegraft.run import RunRecord
from livegraft.schedule import Schedule
from livegraft.store import SlotRecord, Slots, SlotState

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 60.0
"""The wall clock is looked at this often at least: no timer tells when it was set, or the machine slept."""

RETRY_SECONDS: Final = (0.1, 30.0)
"""The first and the longest pause after a failure; each one is twice as long as the one before."""

CATCH_UP_POLL: Final = timedelta(seconds=1)
"""How often a script with ``missed = "all"`` is looked at, to run its next missed slot when a run ended."""

STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ticker knows of one live script.

    ``jitter`` spreads schedules that share a due time: each starts up to that much later, always by the
    same amount. With a ``suspended_reason`` (a quarantine) its slots are skipped and say why; with a ``missed_reason``
    (safe mode) they are missed.
    """

    schedules: tuple[Schedule, ...]
    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.LATEST
    jitter: timedelta = timedelta(0)
    suspended_reason: str = ""
    missed_reason: str = ""


_NOTHING: Final = Entry(())


class Starter(Protocol):
    """Port: how the ticker starts runs. Called from the ticker's thread."""

    def open_run(self, script: str) -> str | None:
        """The id of a run of this script that is queued or going, in any process on the store."""

    def prepare(self, script: str, schedule: Schedule, slot_at: datetime) -> RunRecord:
        """A run of the script's live version, for the store; nothing is started or written.

        A LivegraftError makes the slot skipped, with the error as its reason; StoreError is tried again.
        """

    def launch(self, run: RunRecord) -> None:
        """Start a prepared run, now that its row is written. A run that cannot start is to end as failed."""


class Ticker:
    """Starts what is due and writes one row for each slot."""

    def __init__(self, *, slots: Slots, clock: Clock, starter: Starter) -> None:
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
        self._timers: dict[tuple[str, Schedule], _Timer] = {}
        self._unplaced: list[_Timer] = []
        self._left: list[tuple[str, str]] = []
        # Of the thread alone:
        self._agenda = _Agenda()
        self._behind: deque[_Timer] = deque()
        self._latest = clock.now()

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
            self._timers.pop((script, schedule)).gone = True
            self._left.append((script, schedule.id))
        for schedule in entry.schedules:
            timer = self._timers.get((script, schedule))
            if timer is None:
                timer = self._timers[script, schedule] = _Timer(script, schedule, seen_at=now)
            delay = _delay(script, schedule, entry.jitter)
            if timer.position is None or timer.delay != delay:
                timer.delay = delay
                self._unplaced.append(timer)

    def next_at(self, script: str) -> tuple[tuple[Schedule, datetime], ...]:
        """The next slot of each schedule of a script, in the order of its header; () for a script without any."""
        now = self._clock.now()
        with self._lock:
            entry = self._entries.get(script)
            timers = [self._timers[script, schedule] for schedule in entry.schedules] if entry else []
        return tuple((timer.schedule, timer.next_slot(now)) for timer in timers)

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
                logger.error("the ticker failed, next try in %.1f s: %s", pause, error, exc_info=not known)
            if pause > 0:
                self._clock.wait(self._wake, pause)

    def _turn(self) -> float:
        """Settle at most one timer, the most urgent; the seconds until the next is due."""
        self._forget_what_left()
        self._place_newcomers()
        now = self._clock.now()
        self._follow_clock(now)
        timer = self._next_timer(now)
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
            anchors = self._slots.anchors(timers, seen_at)
            for key, timer in timers.items():
                # An anchor ahead of the clock was written before the clock was set back.
                self._agenda.put(timer, timer.place(min(anchors[key], now)))
        with self._lock:
            del self._unplaced[:taken]

    def _follow_clock(self, now: datetime) -> None:
        """After the clock was set back, count again from now: what has a row already cannot be claimed again."""
        back = self._latest - now
        self._latest = now
        if back <= timedelta(0):
            return
        if back > timedelta(seconds=1):
            logger.warning("the clock went back by %s; slots that were decided are not run again", back)
        with self._lock:
            timers = list(self._timers.values())
        for timer in timers:
            if timer.position and timer.position > now:
                self._agenda.put(timer, timer.place(now))

    def _next_timer(self, now: datetime) -> _Timer | None:
        """Timers on time come before those that are behind, so that a long catch-up delays no one else."""
        while due := self._agenda.take_due(now):
            due_at, timer = due
            if now - due_at < GRACE:
                return timer
            self._behind.append(timer)
        return self._behind.popleft() if self._behind else None

    def _settle(self, timer: _Timer) -> None:
        """Decide the due slots of one timer, oldest first, and put it back for its next."""
        with self._lock:
            entry = self._entries.get(timer.script)
        if entry is None or timer.gone or timer.position is None:
            return
        position, again_at = timer.position, None
        now = self._clock.now()
        try:
            for slot in due_slots(timer.schedule, position, now - timer.delay, entry.missed):
                decision = self._decide(timer, entry, slot)
                if decision is None:
                    again_at = now + CATCH_UP_POLL
                    break
                if not self._carry_out(timer, *decision):
                    break
                position = slot.slot_at
                if slot.late and self._agenda.is_due(self._clock.now()):
                    break
        finally:
            due_at = timer.place(position)
            self._agenda.put(timer, again_at or due_at)

    def _decide(self, timer: _Timer, entry: Entry, slot: DueSlot) -> tuple[SlotRecord, RunRecord | None] | None:
        """The slot's row, with its run when it runs; None to ask again later."""
        if slot.missed_reason:
            return self._row(timer, slot, SlotState.MISSED, reason=slot.missed_reason), None
        if entry.missed_reason:
            return self._row(timer, slot, SlotState.MISSED, reason=entry.missed_reason), None
        if entry.suspended_reason:
            return self._row(timer, slot, SlotState.SKIPPED, reason=entry.suspended_reason), None
        try:
            return self._decide_to_run(timer, entry, slot)
        except StoreError:
            raise
        except LivegraftError as error:
            return self._row(timer, slot, SlotState.SKIPPED, reason=str(error)), None
        except Exception as error:
            # A fault with one script must not hold up the others.
            logger.exception("the slot %s of %s was skipped", slot.slot_at, timer.script)
            return self._row(timer, slot, SlotState.SKIPPED, reason=f"{type(error).__name__}: {error}"), None

    def _decide_to_run(self, timer: _Timer, entry: Entry, slot: DueSlot) -> tuple[SlotRecord, RunRecord | None] | None:
        open_run = None if entry.overlap is Overlap.PARALLEL else self._starter.open_run(timer.script)
        if open_run and slot.late and entry.missed is Missed.ALL:
            return None
        if open_run:
            return self._row(timer, slot, SlotState.SKIPPED, reason=_overlap_reason(open_run, entry.overlap)), None
        run = self._starter.prepare(timer.script, timer.schedule, slot.slot_at)
        return self._row(timer, slot, SlotState.RAN, run_id=run.id), run

    def _row(
        self, timer: _Timer, slot: DueSlot, state: SlotState, *, run_id: str | None = None, reason: str = ""
    ) -> SlotRecord:
        decided_at = self._clock.now()
        return SlotRecord(timer.script, timer.schedule.id, slot.slot_at, state, decided_at, run_id, reason)

    def _carry_out(self, timer: _Timer, row: SlotRecord, run: RunRecord | None) -> bool:
        """Claim the slot and start its run; False when the timer or the ticker ended meanwhile."""
        with self._claiming:
            if timer.gone or self._stopping.is_set():
                return False
            won = self._slots.claim(row, run)
        if won and run:
            try:
                self._starter.launch(run)
            except Exception:
                logger.exception("run %s of %s was not started", run.id, run.script)
        return True


class _Timer:
    """Where the ticker stands in one schedule of one script.

    ``position`` is the last slot that was decided, or the instant from which slots count; None until the
    store was asked.
    """

    __slots__ = ("delay", "gone", "position", "schedule", "script", "seen_at", "slot_at", "ticket")

    def __init__(self, script: str, schedule: Schedule, *, seen_at: datetime) -> None:
        self.script = script
        self.schedule = schedule
        self.seen_at = seen_at
        self.delay = timedelta(0)
        self.position: datetime | None = None
        self.slot_at: datetime | None = None
        self.gone = False
        self.ticket = -1

    def place(self, position: datetime) -> datetime:
        """Count from a new position; when the slot after it is due."""
        self.position = position
        self.slot_at = self.schedule.next_after(position)
        return self.slot_at + self.delay

    def next_slot(self, now: datetime) -> datetime:
        slot_at = self.slot_at
        return slot_at if slot_at and slot_at > now else self.schedule.next_after(now)


class _Agenda:
    """Timers by due time. Each is here once: its newest entry counts, older ones are dropped when met."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, _Timer]] = []
        self._tickets = count()

    def put(self, timer: _Timer, due_at: datetime) -> None:
        timer.ticket = next(self._tickets)
        heapq.heappush(self._heap, (due_at, timer.ticket, timer))

    def next_at(self) -> datetime | None:
        while self._heap:
            due_at, ticket, timer = self._heap[0]
            if timer.ticket == ticket and not timer.gone:
                return due_at
            heapq.heappop(self._heap)
        return None

    def is_due(self, now: datetime) -> bool:
        next_at = self.next_at()
        return next_at is not None and next_at <= now

    def take_due(self, now: datetime) -> tuple[datetime, _Timer] | None:
        if not self.is_due(now):
            return None
        due_at, _, timer = heapq.heappop(self._heap)
        return due_at, timer


def _delay(script: str, schedule: Schedule, jitter: timedelta) -> timedelta:
    if not jitter:
        return jitter
    # By a hash and not by chance: the same in every process and after every restart, so spaces stay even.
    return jitter * (crc32(f"{script} {schedule.id}".encode()) / 2**32)


def _overlap_reason(run_id: str, overlap: Overlap) -> str:
    reason = f"run {run_id} is still going"
    return reason if overlap is Overlap.SKIP else f"{reason}; overlap = {overlap.value!r} still acts as 'skip'"
