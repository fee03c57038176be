"""Runs as they are now: those that are open in this process from its memory, all others from the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from livegraft.bars import Progress
from livegraft.clock import Clock
from livegraft.errors import NotFoundError
from livegraft.open_run import OpenRun
from livegraft.run import BODY_KINDS, OPEN_STATES, RunRecord, RunResult, RunState
from livegraft.runner.marks import Mark, Marks
from livegraft.runner.output import KEEP_ALIVE_SECONDS, OutputChunk, read_stored
from livegraft.store import Runs

_LOOK_SECONDS: Final = 0.2
"""How often the store is asked for news of a run of another process."""


class RunView:
    """Looks at the runs of a dispatcher, whose table of ``open_runs`` the ``lock`` guards, and at those of others.

    ``is_working`` tells whether runs of this process still come to their ends; who waits for one gives up when not.
    """

    def __init__(
        self,
        *,
        open_runs: Mapping[str, OpenRun],
        lock: threading.Condition,
        runs: Runs,
        clock: Clock,
        identity: str,
        is_working: Callable[[], bool],
    ) -> None:
        self._open = open_runs
        self._lock = lock
        self._runs = runs
        self._clock = clock
        self._identity = identity
        self._is_working = is_working

    def record(self, id: str) -> RunRecord | None:
        """An open run of this process as it is now; None for one that waits for any."""
        entry = self._open.get(id)
        return entry.record if entry is not None and not entry.is_shared else None

    def find(self, id: str) -> RunRecord:
        """Any run as it is now. Raises NotFoundError."""
        found = self.record(id) or self._runs.get(id)
        if found is None:
            raise NotFoundError("run", id)
        return found

    def whole_result(self, record: RunRecord) -> RunResult | None:
        """The result of a run with its body."""
        result = record.result
        if result is None or result.body or result.kind not in BODY_KINDS:
            return result
        return replace(result, body=self._runs.result_body(record.id))

    def active(self) -> Sequence[RunRecord]:
        """The runs of this process that are queued, going or stuck, oldest first."""
        with self._lock:
            return [
                entry.record
                for entry in self._open.values()
                if entry.job is not None or entry.record.state is RunState.QUEUED
            ]

    def uses(self, key: str) -> list[str]:
        """The ids of runs that were begun or will begin on this version."""
        with self._lock:
            return [id for id, entry in self._open.items() if entry.record.key == key and entry.job is not None]

    def open_run(self, script: str) -> str | None:
        """A run of this script that is queued, going or stuck, here or in another process; not one that waits."""
        return next(self.open_runs(script), None)

    def open_runs(self, script: str) -> Iterator[str]:
        """All of them."""
        for record in self.active():
            if record.script == script and record.process:
                yield record.id
        for stored in self._runs.find(script=script, states=OPEN_STATES):
            # One of ours has ended when it is not active; the store is about to hear of it. One that waits for a place
            # and not for a time may begin at any moment.
            if stored.process != self._identity and (not stored.waits or stored.due_at is None):
                yield stored.id

    def progress(self, id: str) -> Sequence[Progress]:
        """What an open run of this process said last of how far it is: bars, the outermost first."""
        entry = self._open.get(id)
        return entry.run.bars.shown if entry is not None else ()

    def listen(self, id: str, told: Callable[[], object]) -> bool:
        """Have ``told`` called at each news of a run, by the thread that makes it: it must not wait. Idempotent.

        False for a run that is not open in this process, or waits for any: of that one nothing is told.
        """
        entry = self._open.get(id)
        if entry is None or entry.is_shared:
            return False
        entry.output.listen(told)
        return True

    def unlisten(self, id: str, told: Callable[[], object]) -> None:
        """Idempotent."""
        if entry := self._open.get(id):
            entry.output.unlisten(told)

    def wait(self, id: str, timeout: float | None) -> None:
        """Return when the run has ended or is stuck, or after ``timeout`` seconds."""
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        entry = self._open.get(id)
        if entry is not None and (not entry.ending.is_written.wait(timeout) or not entry.is_shared):
            return
        while self._is_working() and (found := self._runs.get(id)) is not None and found.state in OPEN_STATES:
            if deadline is not None and self._clock.monotonic() >= deadline:
                return
            self._clock.wait(threading.Event(), _LOOK_SECONDS)

    # -- output ----------------------------------------------------------------------------

    def output(self, id: str, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes of what is kept of a run's output from a byte offset on."""
        return self.read(id, offset, limit).data

    def read(self, id: str, offset: int, limit: int) -> OutputChunk:
        """As ``output``, with the offset from which to read on."""
        entry = self._open.get(id)
        if entry is not None:
            return entry.output.read(offset, limit)
        record = self._runs.get(id)
        return read_stored(partial(self._runs.output, id), record.output_bytes if record else 0, offset, limit)

    def marks(self, id: str, start: int, stop: int) -> list[Mark]:
        """When and at which level the bytes between two offsets of a run's output were written."""
        entry = self._open.get(id)
        return entry.output.marks(start, stop) if entry else Marks(self._runs.marks(id)).between(start, stop)

    def read_all(self, id: str) -> Iterator[bytes]:
        """All that is kept so far."""
        offset = 0
        while (chunk := self.read(id, offset, 1 << 20)).data:
            yield chunk.data
            offset = chunk.next_offset

    def follow(self, id: str, offset: int = 0) -> Iterator[OutputChunk]:
        """Output as it comes, from a byte offset; an empty chunk each second without news. Ends with the run."""
        quiet_seconds = 0.0
        while True:
            entry = self._open.get(id)
            if entry is not None and not entry.is_shared:
                yield from entry.output.follow(offset)
                return
            record = self._runs.get(id)  # asked before reading, so that nothing written in between is missed
            chunk = self.read(id, offset, 1 << 16)
            if chunk.data or quiet_seconds >= KEEP_ALIVE_SECONDS:
                yield chunk
                offset, quiet_seconds = chunk.next_offset, 0.0
            elif record is None or record.state not in OPEN_STATES:
                return
            else:
                self._clock.wait(threading.Event(), _LOOK_SECONDS)
                quiet_seconds += _LOOK_SECONDS
