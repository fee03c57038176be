"""Writes what becomes of runs to the store: one thread, in order, beside the runs.

A run's row is there before anything of it executes; that it runs, what it prints and how it ends is
written here, so that no run and no event loop waits for the database.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from livegraft.crash_points import crash_point
from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState
from livegraft.runner.output import RunOutput
from livegraft.store import Runs

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.3
"""How often output is written while a run goes on."""

BATCH: Final = 200
"""Entries that are written in one transaction at most."""

FLUSH_BYTES: Final = 1 << 18
"""Bytes of one run's output that are written at once, so that many that write much need little memory."""

GATHER_SECONDS: Final = 0.001
"""How long a start waits for its end: a short run is then written once and not twice."""

_PAUSES: Final = (0.1, 0.5, 1.0, 2.0)
"""Seconds before each further try when the store fails. As long as it is away it is tried at the last of them."""


@dataclass(frozen=True, slots=True)
class _Started:
    record: RunRecord
    output: RunOutput


@dataclass(frozen=True, slots=True)
class _Ended:
    record: RunRecord
    output: RunOutput
    told: Callable[[], None]


class Recorder:
    """Takes entries from any thread and writes them."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._entries: SimpleQueue[_Started | _Ended | None] = SimpleQueue()
        self._outputs: dict[str, RunOutput] = {}
        self._gathered: list[tuple[str, int, bytes]] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._has_given_up = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="livegraft-recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what was handed in, then end. Idempotent. A store that is away is not waited for any more."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            self._entries.put(None)
            thread.join()

    def started(self, record: RunRecord, output: RunOutput) -> None:
        """A run is running: its output is written as it comes."""
        self._entries.put(_Started(record, output))

    def ended(self, record: RunRecord, output: RunOutput, told: Callable[[], None]) -> None:
        """A run ended, or is stuck; ``told`` is called when that is written."""
        self._entries.put(_Ended(record, output, told))

    def _work(self) -> None:
        flush_at = time.monotonic()
        while True:
            entries = self._take()
            self._write([entry for entry in entries if entry is not None])
            if None in entries:
                return
            del entries
            if time.monotonic() >= flush_at:
                self._try(self._flush, "output of open runs")
                flush_at = time.monotonic() + FLUSH_SECONDS

    def _take(self) -> list[_Started | _Ended | None]:
        """All entries that are there, after waiting for the first; none when it is time to look for output."""
        entries: list[_Started | _Ended | None] = []
        with contextlib.suppress(Empty):
            entries.append(self._entries.get(timeout=FLUSH_SECONDS if self._outputs else None))
            until = time.monotonic() + GATHER_SECONDS
            while len(entries) < BATCH and entries[-1] is not None:
                left = until - time.monotonic() if _waits_for_an_end(entries) else 0.0
                entries.append(self._entries.get(timeout=left) if left > 0 else self._entries.get_nowait())
        return entries

    def _write(self, entries: list[_Started | _Ended]) -> None:
        marks: list[tuple[str, bytes]] = []
        for entry in entries:
            id = entry.record.id
            if isinstance(entry, _Started):
                self._outputs[id] = entry.output
            elif entry.record.state is not RunState.STUCK and self._outputs.pop(id, None) is not None:
                rest = [(id, offset, data) for offset, data in entry.output.unsaved(whole=True)]
                self._gather(rest)
                # All output may be in the store already: the marks are written at the end only.
                if entry.output.end:
                    marks.append((id, entry.output.all_marks))
        self._write_gathered()
        crash_point("output written")
        self._try(lambda: self._runs.keep_marks(marks), "times of output")
        # Of a run that started and ended since, only the end needs to be written.
        records = {entry.record.id: entry.record for entry in entries}
        self._try(lambda: self._runs.update(records.values()), f"state of {len(records)} runs")
        crash_point("end written")
        for entry in entries:
            if isinstance(entry, _Ended):
                entry.told()

    def _gather(self, chunks: list[tuple[str, int, bytes]]) -> None:
        """Output of ended runs: short ones are written together, long ones each by itself."""
        self._gathered += chunks
        if sum(len(data) for _, _, data in self._gathered) >= FLUSH_BYTES:
            self._write_gathered()

    def _write_gathered(self) -> None:
        chunks, self._gathered = self._gathered, []
        self._try(lambda: self._runs.append_output(chunks), "output of ended runs")

    def _flush(self) -> None:
        """Write what the heads grew by, and have the rest where a killed process leaves it."""
        self._keep_outputs()
        # Not tried again: what could not be written is part of what is written next.
        with contextlib.suppress(StoreError):
            self._write_outputs()

    def _keep_outputs(self) -> None:
        for output in self._outputs.values():
            output.keep()

    def _write_outputs(self) -> None:
        wanting = dict(self._outputs)
        while wanting:
            taken: dict[str, list[tuple[int, bytes]]] = {}
            while wanting and sum(len(data) for chunks in taken.values() for _, data in chunks) < FLUSH_BYTES:
                run, output = wanting.popitem()
                taken[run] = output.unsaved(limit=FLUSH_BYTES)
            self._runs.append_output([(run, offset, data) for run, chunks in taken.items() for offset, data in chunks])
            for run, chunks in taken.items():
                self._outputs[run].mark_saved(chunks)

    def _try(self, write: Callable[[], None], what: str) -> None:
        """Write; again and again as long as the store is away. What is not written at all is told in the log."""
        pauses, said = iter(_PAUSES), False
        while True:
            try:
                write()
            except StoreError as error:
                pause = None if self._has_given_up else next(pauses, None)
                if pause is None and (self._stopping.is_set() or not error.passes):
                    self._has_given_up = self._stopping.is_set()  # the rest is tried once
                    logger.error("the %s was not written: %s", what, error)
                    return
                if pause is None and not said:
                    said = True
                    logger.warning("the %s waits to be written until the history is back: %s", what, error)
                self._wait(pause or _PAUSES[-1])
            except Exception:
                # All runs hang on this thread: it outlives every fault.
                logger.exception("the %s was not written", what)
                return
            else:
                if said:
                    logger.info("the history is back: the %s is written", what)
                return

    def _wait(self, seconds: float) -> None:
        """Let time go by; what open runs print meanwhile is kept where a killed process leaves it."""
        if seconds < FLUSH_SECONDS or self._stopping.is_set():
            time.sleep(seconds)
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping.wait(FLUSH_SECONDS):
            self._keep_outputs()


def _waits_for_an_end(entries: Sequence[_Started | _Ended | None]) -> bool:
    begun = {entry.record.id for entry in entries if isinstance(entry, _Started)}
    return not begun.issubset(entry.record.id for entry in entries if isinstance(entry, _Ended))
