"""Writes what becomes of runs to the store: one thread, in order, beside the runs.

A run's row is there before anything of it executes; that it runs, what it prints and how it ends is
written here, so that no run and no event loop waits for the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from livegraft.errors import StoreError
from livegraft.run import RunRecord, RunState
from livegraft.runner.output import RunOutput
from livegraft.store import Runs

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.3
"""How often output is written while a run goes on."""

_PAUSES: Final = (0.1, 0.5, 1.0, 2.0)
"""Seconds before each further try when the store fails."""


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
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="livegraft-recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what was handed in, then end. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
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
            try:
                entry = self._entries.get(timeout=FLUSH_SECONDS if self._outputs else None)
            except Empty:
                pass
            else:
                if entry is None:
                    return
                self._write(entry)
                del entry
            if time.monotonic() >= flush_at:
                self._try(self._flush, "output of open runs")
                flush_at = time.monotonic() + FLUSH_SECONDS

    def _write(self, entry: _Started | _Ended) -> None:
        record = entry.record
        if isinstance(entry, _Started):
            self._outputs[record.id] = entry.output
            self._try(lambda: self._start(record), f"start of run {record.id}")
            return
        if record.state is not RunState.STUCK:
            self._outputs.pop(record.id, None)
            self._try(lambda: self._append_rest(record.id, entry.output), f"output of run {record.id}")
        self._try(lambda: self._end(record), f"end of run {record.id}")
        try:
            entry.told()
        except Exception:
            logger.exception("telling the end of run %s failed", record.id)

    def _start(self, record: RunRecord) -> None:
        assert record.started_at is not None  # noqa: S101 - it is running
        self._runs.start(record.id, record.started_at)

    def _end(self, record: RunRecord) -> None:
        assert record.ended_at is not None  # noqa: S101 - it has ended
        self._runs.end(
            record.id,
            record.state,
            record.ended_at,
            result=record.result,
            failure=record.failure,
            output_bytes=record.output_bytes,
        )

    def _flush(self) -> None:
        taken = {run: output.unsaved() for run, output in self._outputs.items()}
        self._runs.append_output([(run, offset, data) for run, chunks in taken.items() for offset, data in chunks])
        for run, chunks in taken.items():
            self._outputs[run].mark_saved(chunks)

    def _append_rest(self, run: str, output: RunOutput) -> None:
        chunks = output.unsaved(whole=True)
        if chunks:
            self._runs.append_output([(run, offset, data) for offset, data in chunks])

    def _try(self, write: Callable[[], None], what: str) -> None:
        """Write, and again after a pause when the store fails; what cannot be written at all is told in the log."""
        for pause in (*_PAUSES, None):
            try:
                write()
            except StoreError as error:
                if pause is None:
                    logger.error("the %s was not written: %s", what, error)
                else:
                    time.sleep(pause)
            else:
                return
