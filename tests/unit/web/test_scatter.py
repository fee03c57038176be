"""The picture of how long runs took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from livegraft.run import RunState
from livegraft.web.scatter import scatter

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Ran:
    id: str
    state: RunState
    queued_at: datetime = AT
    started_at: datetime | None = AT
    ended_at: datetime | None = AT + timedelta(seconds=1)
    script: str = "one"


def test_a_run_that_failed_lies_above_those_of_the_same_moment_that_did_well() -> None:
    runs = [Ran("bad", RunState.FAILED), Ran("good", RunState.SUCCEEDED), Ran("late", RunState.TIMED_OUT)]

    drawn = scatter([*runs, Ran("better", RunState.SUCCEEDED)], AT)

    assert drawn is not None
    assert [point.run.id for point in drawn.points] == ["good", "better", "bad", "late"]


def test_one_run_is_no_picture() -> None:
    assert scatter([Ran("only", RunState.SUCCEEDED), Ran("waits", RunState.QUEUED, started_at=None)], AT) is None
