"""A run as its starter holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livegraft.errors import LivegraftError
from livegraft.open_run import Ending
from livegraft.run import RunRecord, RunState
from livegraft.run_view import RunView
from livegraft.runner.result import content


class RunFailedError(LivegraftError):
    """A run did not succeed; ``record`` is how it ended."""

    code = "run_failed"

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        failure = record.failure
        reason = f"{failure.type}: {failure.message}" if failure else record.state.value
        super().__init__(f"run {record.id} of {record.script} {record.state.value}: {reason}")

    @property
    def details(self) -> dict[str, Any]:
        return {"run": self.record.id, "state": self.record.state.value}


class Run:
    """A run as its starter holds it."""

    def __init__(self, record: RunRecord, ending: Ending | None, view: RunView, cancel: Callable[[str], None]) -> None:
        self._view = view
        self._cancel = cancel
        self._ending = ending
        self.id, self.script, self.key, self.revision = record.id, record.script, record.key, record.revision

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.script}, {self.state.value}>"

    @property
    def record(self) -> RunRecord:
        """The run as it is now."""
        ended = self._ending.record if self._ending is not None else None
        return self._view.record(self.id) or ended or self._view.find(self.id)

    @property
    def state(self) -> RunState:
        return self.record.state

    @property
    def output(self) -> str:
        """All that is kept of its output so far."""
        return b"".join(self._view.read_all(self.id)).decode("utf-8", "replace")

    @property
    def result(self) -> Any:
        """What ``run`` returned, as kept: see ``content``. Waits for the end; raises RunFailedError if it failed."""
        record = self.wait()
        if record.state is not RunState.SUCCEEDED:
            raise RunFailedError(record)
        return content(self._view.whole_result(record))

    def wait(self, timeout: float | None = None) -> RunRecord:
        """The run when it ended or is stuck, or as it is after ``timeout`` seconds."""
        ending = self._ending
        if ending is None or (ending.is_written.wait(timeout) and ending.record is None):
            self._view.wait(self.id, timeout)  # another process has it
        return self.record

    def cancel(self) -> None:
        """Ask it to stop. Raises ConflictError when it has ended."""
        self._cancel(self.id)
