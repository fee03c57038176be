"""What is done about processes that died: their runs are closed, and some are started again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from livegraft.clock import Clock
from livegraft.crash_points import crash_point
from livegraft.errors import LivegraftError
from livegraft.release import Release
from livegraft.run import FINAL_STATES, RunFailure, RunRecord, RunState
from livegraft.runner.output import KEPT, left_behind
from livegraft.store import Runs

logger = logging.getLogger(__name__)

MOST_RECOVERIES: Final = 3
"""How often a run with ``retry-on-crash`` is started again after its process died."""


class Recovery:
    """Takes up what dead processes left.

    ``output_folder`` has the output of open runs, ``scratch`` the folders in which isolated ones work; ``restart``
    starts a lost run again, given the run that it repeats; ``suspicion`` tells of a run whether it may have ended its
    process.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        clock: Clock,
        output_folder: Path,
        scratch: Path,
        restart: Callable[[RunRecord, str], None],
        suspicion: Callable[[str], str],
    ) -> None:
        self._runs = runs
        self._clock = clock
        self._output_folder = output_folder
        self._scratch = scratch
        self._restart = restart
        self._suspicion = suspicion
        self._lost: list[RunRecord] = []

    def close_runs_of(self, identity: str) -> None:
        """Close the runs of a process that died: one of the survivors does. They are restarted by themselves."""
        for run in self._runs.open():
            if run.process == identity and self._close(run):
                crash_point("run lost")
                self._lost.append(run)
        self.clean()

    def _close(self, run: RunRecord) -> bool:
        """Have a run be lost, with its output so far; False when another process was faster."""
        suspicion = self._suspicion(run.id)
        gone = f"the process that ran it ({run.process}) is gone"
        failure = RunFailure("lost", f"{gone}: {suspicion}" if suspicion else gone)
        saved = len(self._runs.output(run.id, 0, KEPT.head_bytes))
        end, chunks = left_behind(self._output_folder / run.id, saved)
        if not self._runs.end(run.id, RunState.LOST, self._clock.now(), failure=failure, output_bytes=end):
            return False
        self._runs.append_output([(run.id, offset, data) for offset, data in chunks])
        return True

    def clean(self) -> None:
        """Remove the files of runs that are over."""
        for file in self._left(self._output_folder):
            file.unlink(missing_ok=True)
        for folder in self._left(self._scratch):
            shutil.rmtree(folder, ignore_errors=True)

    def _left(self, folder: Path) -> Iterator[Path]:
        """What is in a folder and of no run that goes on somewhere, by the run's id."""
        for left in folder.iterdir() if folder.exists() else ():
            run = self._runs.get(left.name)
            if run is None or run.state in FINAL_STATES:
                yield left

    def restart_lost_runs(self, release: Release) -> None:
        """Start again what was lost with a process, where a script says ``retry-on-crash``; the release is live now."""
        lost, self._lost = self._lost, []
        for run in lost:
            script = release.scripts.get(run.script)
            if script is None or not script.header.retry_on_crash:
                continue
            origin = run.origin or run.id
            if sum(each.state is RunState.LOST for each in self._runs.repeats(origin)) >= MOST_RECOVERIES:
                logger.warning("run %s of %s was lost with its process again and is given up", run.id, run.script)
                continue
            try:
                self._restart(run, origin)
            except LivegraftError as error:
                logger.warning(
                    "run %s of %s, lost with its process, is not started again: %s", run.id, run.script, error
                )
