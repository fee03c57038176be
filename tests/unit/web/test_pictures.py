"""What the list of scripts tells of how long they take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from livegraft.run import RunState
from livegraft.store import LastRun
from livegraft.web.pictures import Trend, trend

NOW = datetime(2026, 11, 26, 7, tzinfo=UTC)


def runs(*seconds: float, state: RunState = RunState.SUCCEEDED) -> list[LastRun]:
    """The newest first."""
    return [LastRun(str(n), state, NOW, NOW, NOW + timedelta(seconds=took)) for n, took in enumerate(seconds)]


@pytest.mark.parametrize("lately", [0.01, 30.0])
def test_a_script_that_takes_another_time_lately_tells_both(lately: float) -> None:
    found = trend(runs(lately, lately, lately, *[4.0] * 9))

    assert found == Trend(4.0, lately)
    assert found.is_slower == (lately > 4)


def test_one_that_takes_about_as_long_as_usual_tells_that_alone() -> None:
    assert trend(runs(5.0, 4.5, 5.0, *[4.0] * 9)) == Trend(4.0, None)


def test_one_of_few_runs_that_succeeded_tells_nothing() -> None:
    assert trend([*runs(*[4.0] * 7), *runs(*[1.0] * 9, state=RunState.FAILED)]) is None
