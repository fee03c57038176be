"""A state machine that tries schedules: commits, ticks, crashes, restarts, clocks that are set, a store that is away.

The ticker is a real one on a clock that stands still, over the real ledger in SQLite, which each crash and restart
opens anew. The world beside it keeps account by itself of what must be true:

* no slot has two runs, and no run is of two slots;
* none is silent: each slot from when its schedule was first seen until the ticker last looked has one row, unless it
  lies among the oldest of an outage, for which the oldest row stands (of more than 20 missed ones here);
* a slot that is missed or skipped says why.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from livegraft import due
from livegraft.due import CatchUp
from livegraft.errors import StoreError
from livegraft.header import Missed, Overlap
from livegraft.run import RunRecord
from livegraft.schedule import Schedule
from livegraft.store import SlotCause, SlotRecord, SlotState
from livegraft.store.schema import instant
from livegraft.store.sqlite import open_store
from livegraft.testing import FakeClock
from livegraft.ticker import Entry, Suspension, Ticker
from tests.support.history import put_history
from tests.support.slots import ME, NotingStarter

START = datetime(2026, 3, 27, 12, 0, 30, tzinfo=UTC)
"""Two days before clocks go forward in Europe."""

SCRIPTS = ["daily", "orders/clean"]
LINES = st.sampled_from(
    [
        "* * * * *",
        "*/20 * * * * *",
        "*/7 * * * *",
        "30 2 * * * Europe/Berlin",
        "0 */2 * * * Australia/Lord_Howe",
        "15,45 * * * * America/New_York",
        "0 0 * * 1",
    ]
)
ENTRIES = st.builds(
    Entry,
    schedules=st.lists(LINES.map(Schedule.parse), min_size=1, max_size=2, unique=True).map(tuple),
    overlap=st.sampled_from(Overlap),
    catch_up=st.builds(
        CatchUp,
        st.sampled_from(Missed),
        st.sampled_from([timedelta(minutes=3), timedelta(hours=2), timedelta(days=7)]),
        st.sampled_from([1, 5, 50]),
    ),
    jitter=st.sampled_from([timedelta(0), timedelta(seconds=40)]),
    suspended=st.sampled_from([None, None, None, Suspension(SlotCause.PAUSED, "paused by dana")]),
    overlap_limit=st.integers(1, 3),
)
STEPS = st.sampled_from([1, 20, 59, 60, 61, 300, 3_600, 4 * 3_600, 86_400]).map(
    lambda seconds: timedelta(seconds=seconds)
)
JUMPS = st.sampled_from([1, 30, 61, 3_600, 3 * 3_600, 86_400, 30 * 86_400, 400 * 86_400]).flatmap(
    lambda seconds: st.sampled_from([timedelta(seconds=seconds), timedelta(seconds=-seconds)])
)


class CrashError(BaseException):
    """The process ended here: nothing behind it was done."""


class World(NotingStarter):
    """What the ticker asks for runs, and what is away or dies: the ``Starter`` and the ``Slots`` of the ticker.

    ``crash_in`` counts claims until the process dies: at an even one before it is written, at an odd one behind that.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.store = open_store(file)
        self.is_away = False
        self.crash_in = -1

    # -- the ledger ------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            raise StoreError("the disk is full")
        return getattr(self.store.slots, name)

    def claim(
        self, slot: SlotRecord, run: RunRecord | None = None, *, catches_up: bool = False, alone: bool = False
    ) -> bool:
        if self.is_away:
            raise StoreError("the disk is full")
        if self.crash_in == 0:
            raise CrashError
        won = self.store.slots.claim(slot, run, catches_up=catches_up, alone=alone)
        if self.crash_in == 1:
            raise CrashError
        self.crash_in = max(-1, self.crash_in - 2)
        return won

    # -- the starter -----------------------------------------------------------------------

    @property
    def started(self) -> list[str]:
        return [run.id for run in self.launched if not run.waits]

    def launch(self, run: RunRecord) -> None:
        super().launch(run)
        if not run.waits:
            self.going[run.script] = run.id

    def replace(self, run: RunRecord) -> None:
        self._take_waiting(run.script)
        self.going.pop(run.script, None)

    def end_runs(self, script: str) -> None:
        self.going.pop(script, None)
        waited = self._take_waiting(script)
        self.launched += [replace(run, process=ME) for run in waited if self.store.runs.take(run.id, ME)]

    def come_back(self) -> None:
        """The process died; another one begins on the same file. What waits in the store is still there."""
        self.store.close()
        self.crash_in = -1
        self.going.clear()
        self.store = open_store(self.file)
        self.launched = [run for run in self.launched if not run.waits] + list(self.store.runs.waiting())

    def _take_waiting(self, script: str) -> list[RunRecord]:
        waited = self._waiting(script)
        self.launched = [run for run in self.launched if run not in waited]
        return waited


class SlotMachine(RuleBasedStateMachine):
    """See above."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="livegraft-slots-")
        file = Path(self.folder.name, "history.db")
        put_history(file)
        self.world = World(file)
        self.reader = sqlite3.connect(file)
        self.clock = FakeClock(START)
        self.bounds = patch.multiple(due, MAX_MISSED_ROWS=20, MAX_COUNTED=50)
        self.bounds.start()
        self.entries: dict[str, Entry] = {}
        self.began: dict[tuple[str, str], tuple[Schedule, datetime]] = {}
        self.ticker = self._ticker()

    def teardown(self) -> None:
        self.bounds.stop()
        self.world.store.close()
        self.reader.close()
        self.folder.cleanup()

    def _ticker(self) -> Ticker:
        return Ticker(slots=self.world, clock=self.clock, starter=self.world)

    def _settle(self) -> None:
        """Let the ticker work until it would wait; the same turns as its thread takes."""
        try:
            while self.ticker._turn() <= 0:
                pass
        except StoreError:
            assert self.world.is_away
        except CrashError:
            self._come_back()

    @contextmanager
    def _away(self) -> Iterator[None]:
        self.world.is_away = True
        yield
        self.world.is_away = False

    def _come_back(self) -> None:
        self.world.come_back()
        self.ticker = self._ticker()
        self.ticker.replan(self.entries)
        self._note_schedules()
        self._settle()

    def _note_schedules(self) -> None:
        """What is new counts from now; what left is silent from now on."""
        now = self.clock.now()
        known = {(name, each.id): each for name, entry in self.entries.items() for each in entry.schedules}
        self.began = {key: self.began.get(key, (each, now)) for key, each in known.items()}

    # -- what happens ----------------------------------------------------------------------

    @rule(script=st.sampled_from(SCRIPTS), entry=ENTRIES)
    def push(self, script: str, entry: Entry) -> None:
        self.entries[script] = entry
        self.ticker.replan(self.entries)
        self._note_schedules()
        self._settle()

    @rule(script=st.sampled_from(SCRIPTS))
    def delete(self, script: str) -> None:
        self.entries.pop(script, None)
        self.ticker.replan(self.entries)
        self._note_schedules()
        self._settle()

    @precondition(lambda self: self.entries)
    @rule(by=STEPS)
    def tick(self, by: timedelta) -> None:
        self.clock.advance(by)
        self._settle()

    @precondition(lambda self: self.entries)
    @rule(by=STEPS)
    def tick_while_the_store_is_away(self, by: timedelta) -> None:
        with self._away():
            self.clock.advance(by)
            self._settle()
        self._settle()

    @rule(script=st.sampled_from(SCRIPTS))
    def end_runs(self, script: str) -> None:
        self.world.end_runs(script)

    @precondition(lambda self: self.entries)
    @rule(by=STEPS, claims=st.integers(0, 9))
    def crash_at_a_claim(self, by: timedelta, claims: int) -> None:
        self.world.crash_in = claims
        self.clock.advance(by)
        self._settle()
        self.world.crash_in = -1

    @rule(down=STEPS)
    def restart(self, down: timedelta) -> None:
        self.clock.advance(down)
        self._come_back()

    @precondition(lambda self: self.entries)
    @rule(by=JUMPS)
    def set_the_clock(self, by: timedelta) -> None:
        self.clock.jump(self.clock.now() + by)
        now = self.clock.now()
        # Before the clock was set back other slots were accounted for than those that are to come now.
        self.began = {key: (each, min(since, now)) for key, (each, since) in self.began.items()}
        self._settle()

    # -- what must be true -----------------------------------------------------------------

    @invariant()
    def all_is_accounted_for(self) -> None:
        rows = self._rows()
        self._no_slot_twice(rows)
        assert all(row.reason for row in rows if row.state != SlotState.RAN)
        self._none_is_silent(rows)

    def _no_slot_twice(self, rows: list[Row]) -> None:
        runs = [row.run_id for row in rows if row.state == SlotState.RAN]
        started = self.world.started
        assert len(set(runs)) == len(runs)
        assert len(set(started)) == len(started)
        assert set(started) <= set(runs)

    def _none_is_silent(self, rows: list[Row]) -> None:
        now = self.clock.now()
        for key, (schedule, since) in self.began.items():
            jitter = timedelta(seconds=40) if self.entries[key[0]].jitter else timedelta(0)
            ours = [row for row in rows if (row.script, row.schedule) == key]
            told = {instant(row.slot_at) for row in ours}
            stand_for_others = [instant(row.slot_at) for row in ours if "it stands for" in row.reason]
            first = max([since, *(at for at in stand_for_others if at <= now)])
            # Older ones were looked at a step ago.
            newest = due._newest(schedule, min(first, now - jitter), now - jitter, 60, lambda first, last: ())
            silent = [at for at in newest if at not in told]
            assert not silent, f"{key}: {silent[:3]} of {len(silent)} have no row at {now}"

    def _rows(self) -> list[Row]:
        """As they are in the file, past the ledger that is tried."""
        found = self.reader.execute("SELECT script, schedule, slot_at, state, run_id, reason FROM slots")
        return list(map(Row._make, found))


class Row(NamedTuple):
    """A slot as the file has it."""

    script: str
    schedule: str
    slot_at: int
    state: str
    run_id: str | None
    reason: str
