"""A server that is told to stop, with code that does not want to; and a second one over its folder."""

from __future__ import annotations

import gc
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from livegraft import Supervisor
from tests.support import Repository, eventually
from tests.support.host import a_host
from tests.support.server import a_server
from tests.support.stubborn import TASK, THREAD

STUBBORN_PROCESS = """
# /// script
# [tool.livegraft]
# isolation = "process"
# ///
import signal
import time

def run():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""
ONE = "# /// script\n# [tool.livegraft]\n# concurrency = 1\n# ///\n"
SCRIPTS = {
    "stubborn.py": THREAD,
    "stubborn_task.py": TASK,
    "stubborn_process.py": STUBBORN_PROCESS,
    "one.py": ONE + "import time\n\ndef run():\n    time.sleep(60)\n",
}


def test_a_second_signal_ends_the_wait_and_leaves_nothing_open_but_what_waits(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files(SCRIPTS)
    with a_server(repository.path, tmp_path, "--no-probe", "--stop-seconds", "600") as server:
        assert [each["is_here"] for each in server.get("/replicas")["replicas"]] == [True]
        with httpx.Client(follow_redirects=True) as browser:
            browser.get(server.link)
            assert "Processes on this history" in browser.get(f"{server.url}/system").text
        for script in ("stubborn", "stubborn_task", "stubborn_process", "one", "one"):
            server.post(f"/scripts/{script}/runs", {"arguments": {}})
        eventually(lambda: [each["state"] for each in server.get("/runs")["runs"]].count("running") == 4, 60)

        command = [sys.executable, "-m", "livegraft", "serve", str(repository.path), "--data", str(server.data)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 2
        told = " ".join(second.stderr.split())
        assert server.process is not None
        assert f"process {server.process.pid} serves from it since" in told
        assert server.url in told
        assert "--share" in told

        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        assert server.wait_for_its_end() == 0
        assert time.monotonic() - began < 60, "not its 600 s"

    history = sqlite3.connect(server.data / "history.db")
    assert history.execute("SELECT script, state, process != '' FROM runs ORDER BY state, script").fetchall() == [
        ("stubborn_process", "cancelled", 1),
        ("one", "queued", 0),
        ("one", "stuck", 1),
        ("stubborn", "stuck", 1),
        ("stubborn_task", "stuck", 1),
    ]
    assert history.execute("SELECT * FROM replicas").fetchall() == []
    history.close()


def test_a_stop_unloads_for_so_long_only_and_says_what_it_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({f"one{number}.py": "def run(): pass\n" for number in range(300)})
    caplog.set_level(logging.INFO, "livegraft")

    supervisor = Supervisor(repository.path, data=tmp_path / "data", tick=False, probe=False)
    supervisor.start()
    supervisor.sync()
    supervisor.stop(unload_seconds=0)

    (said,) = (record.getMessage() for record in caplog.records if "not unloaded" in record.getMessage())
    assert said == "100 versions were not unloaded within 0 s: they stay until this process ends"


def test_a_task_that_does_not_end_goes_on_when_its_supervisor_has_stopped(tmp_path: Path) -> None:
    script = """
    import asyncio

    async def run(go_on: object, steps: list) -> None:
        while go_on.is_set():
            try:
                await asyncio.sleep(0.01)
            except BaseException:
                pass
            steps.append(1)
    """
    go_on, steps, before = threading.Event(), list[int](), {*threading.enumerate()}
    go_on.set()
    try:
        with a_host(tmp_path, files={"stubborn.py": script}, provide={"go_on": go_on, "steps": steps}) as host:
            host.supervisor.run("stubborn")
            eventually(lambda: steps)
            host.supervisor.stop(deadline_seconds=0)
        gc.collect()

        seen = len(steps)
        eventually(lambda: len(steps) > seen + 10)
    finally:
        go_on.clear()
    eventually(lambda: "livegraft-tasks" not in {thread.name for thread in {*threading.enumerate()} - before})
