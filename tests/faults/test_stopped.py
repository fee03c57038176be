"""A real server that is stopped for some seconds, as by a sleep of the machine, and goes on."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support import eventually
from tests.support.repository import Repository
from tests.support.server import a_server

SCRIPT = """
# /// script
# [tool.livegraft]
# cron = "* * * * * *"
# overlap = "parallel"
# missed = "all"
# ///
def run(): pass
"""
STOPPED_SECONDS = 3.0


def test_a_process_that_was_stopped_accounts_for_each_slot_of_that_time(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files({"each_second.py": SCRIPT}, "first")
    with a_server(repository.path, tmp_path / "data") as server:
        eventually(lambda: len(slots(server)) >= 2, 60, "it ticks")
        stopped_at = slots(server)[0]
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)  # what is tried is that time goes by
        os.kill(server.process.pid, signal.SIGCONT)
        beyond = stopped_at + timedelta(seconds=STOPPED_SECONDS + 2)
        eventually(lambda: slots(server)[0] >= beyond, 60, "it goes on")

        found = slots(server)
        assert found == [found[0] - timedelta(seconds=number) for number in range(len(found))]
        runs = [each["run"] for each in server.get("/slots?limit=500")["slots"]]
        assert len(set(runs)) == len(runs)


def slots(server: Any) -> list[datetime]:
    """The times of its slots, newest first."""
    return [datetime.fromisoformat(each["slot_at"]) for each in server.get("/slots?limit=500")["slots"]]
