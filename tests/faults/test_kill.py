"""``kill -9`` at random moments, with schedules and runs going: nothing twice, nothing open, nothing lost."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from livegraft import Supervisor
from tests.support import Repository

KILLS = 20
TICK = "# cron: * * * * *\ndef run():\n    print('tick')\n"
SCRIPTS = {
    **{f"tick{n}.py": TICK for n in range(5)},
    "busy.py": """
        import time

        def run(n: int = 0):
            for i in range(20):
                print(n, i)
                time.sleep(0.01)
        """,
}


def rows(data: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(data / "history.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def killed_host(repository: Path, data: Path, base: float, chance: random.Random) -> list[str]:
    """Start a host, kill it at a random moment, and return the runs that it had acknowledged until then."""
    command = [sys.executable, "-m", "tests.support.fast_host", str(repository), str(data), str(base)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as host:
        assert host.stdout is not None
        acknowledged = [host.stdout.readline().strip() for _ in range(chance.randint(1, 25))]
        host.kill()
        acknowledged += [line.strip() for line in host.stdout if line.endswith("\n")]
    return acknowledged


@pytest.mark.timeout(300)
def test_after_twenty_kills_no_slot_is_twice_every_open_run_is_lost_and_the_database_is_whole(tmp_path: Path) -> None:
    chance = random.Random(20)
    repository, data, base = Repository.create(tmp_path / "scripts"), tmp_path / "data", time.time()
    repository.commit_files(SCRIPTS)
    acknowledged: list[str] = []
    for kill in range(KILLS):
        acknowledged += killed_host(repository.path, data, base, chance)
        assert rows(data, "PRAGMA integrity_check") == [("ok",)]
        if kill % 3 == 0:
            repository.commit_files({"tick0.py": f"{TICK}# {kill}\n"})

    with Supervisor(repository.path, data=data, tick=False):
        states = dict(rows(data, "SELECT id, state FROM runs"))

    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= states.keys()
    assert {states[run] for run in acknowledged} == {"succeeded", "lost"}
    assert set(states.values()) <= {"succeeded", "lost"}
    # Each slot is one row with a run of its own, and none between the first and the last is missing.
    slots = rows(data, "SELECT script, slot_at, run_id, state FROM slots")
    ran = [run for _, _, run, state in slots if state == "ran"]
    assert len(ran) == len(set(ran)) > KILLS
    assert set(ran) <= states.keys()
    minute = 60 * 1_000_000
    for script in {script for script, *_ in slots}:
        times = sorted(at for name, at, *_ in slots if name == script)
        assert times == list(range(times[0], times[-1] + minute, minute)), script
