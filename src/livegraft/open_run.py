"""A run as its process has it from when it is accepted until its end is written."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from livegraft.artifact_files import Artifacts
from livegraft.context import CurrentRun
from livegraft.header import Retries
from livegraft.line import Turn
from livegraft.run import RunFailure, RunRecord, RunState
from livegraft.runner import Job, Runner
from livegraft.runner.failure import Locate
from livegraft.runner.output import RunOutput


@dataclass(frozen=True, slots=True)
class Asked:
    """That a run is to stop: how it will have ended, and why."""

    state: RunState
    reason: str


class Ending:
    """How a run of this process ended, once that is written, for those who hold it: they need not ask the store."""

    __slots__ = ("is_written", "record")

    def __init__(self) -> None:
        self.is_written = threading.Event()
        self.record: RunRecord | None = None

    def written(self, record: RunRecord) -> None:
        self.record = record
        self.is_written.set()


class OpenRun:
    """A run of this process, until its end is written, or that waits. ``given`` are its arguments, secrets too.

    ``verdict`` is the end that one is to have which is ``shared`` and has to be claimed for that.
    """

    __slots__ = (
        "asked",
        "ending",
        "given",
        "is_for_all",
        "job",
        "locate",
        "output",
        "place",
        "record",
        "retries",
        "run",
        "runner",
        "timeout",
        "turn",
        "verdict",
    )

    def __init__(
        self,
        record: RunRecord,
        given: Mapping[str, Any],
        retries: Retries,
        file: Path | None,
        artifacts: Artifacts | None,
    ) -> None:
        self.record = record
        self.given = given
        self.retries = retries
        self.is_for_all = not record.process
        self.output = RunOutput(file=file)
        self.run = CurrentRun(
            record.id, self.output, artifacts.folder_of(record.id) if artifacts else None, record.slot_at
        )
        self.runner: Runner
        self.locate: Locate
        self.timeout: timedelta | None = None
        self.job: Job | None = None
        self.place = 0
        self.turn: Turn | None = None
        self.asked: Asked | None = None
        self.ending = Ending()
        self.verdict: tuple[RunState, RunFailure] | None = None

    @property
    def is_shared(self) -> bool:
        """Whether any process may begin it: then the store alone knows where it is."""
        return not self.record.process

    @property
    def limit(self) -> int:
        return self.turn.limit if self.turn is not None else 0
