"""``kill -9`` at random moments and at named places: nothing twice, open or lost. ``make crash`` does it more often."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livegraft.crash_points import arm

KILLS = 16


@pytest.mark.timeout(600)
def test_after_many_kills_the_history_holds_what_it_promises(tmp_path: Path) -> None:
    report = tmp_path / "crash.json"
    command = [sys.executable, "-m", "tests.crash", "--cycles", str(KILLS), "--seed", "20", "--report", str(report)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["kills"] == KILLS
    assert found["acknowledged"] > KILLS
    assert found["slots"] > 0
    assert len(found["at_points"]) > 3, "some at named places, some at random moments"


def test_a_place_that_there_is_not_is_told() -> None:
    with pytest.raises(ValueError, match=r"to name one of run written, .* got: 'nowhere'"):
        arm("nowhere:2")
