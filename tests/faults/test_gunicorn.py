"""gunicorn with four workers, each with a supervisor in it as the guide says, over one history in a file."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from livegraft import Supervisor
from livegraft.testing import FakeClock
from tests.support import Repository, eventually
from tests.support.server import TOKEN

GUIDE = Path(__file__).parents[2] / "docs/howto/run-several-processes.md"
SETTINGS = "poll_seconds=3600, probe=False, environments=False, settle_seconds=0, stop_seconds=5"
WORKERS = 4

MARKS = """
import os
from livegraft.context import current_run

def mark():
    file = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{{current_run.get().id}}\\n".encode())
    os.close(file)
"""
EACH = '# cron: * * * * *\n# /// script\n# [tool.livegraft]\n# missed = "all"\n# ///\n'
ONE = "# /// script\n# [tool.livegraft]\n# concurrency = 1\n# ///\n"
AGAIN = "# /// script\n# [tool.livegraft]\n# retry-on-crash = true\n# ///\n"
NAPS = "import time\n\ndef run():\n    time.sleep(60)\n"


def scripts(marks: Path) -> dict[str, str]:
    return {
        "marks.py": MARKS.format(file=str(marks)),
        "each.py": EACH + "from marks import mark\n\ndef run(): mark()\n",
        "one.py": ONE + "from marks import mark\n\ndef run(): mark()\n",
        "naps.py": NAPS,
        "again.py": AGAIN + NAPS,
    }


class Gunicorn:
    def __init__(self, folder: Path, *options: str) -> None:
        self.log = folder / "gunicorn.log"
        command = [sys.executable, "-m", "gunicorn", "--workers", str(WORKERS), "--bind", "127.0.0.1:0"]
        command += ["--worker-class", "uvicorn_worker.UvicornWorker", "--graceful-timeout", "40", "--timeout", "300"]
        command += ["--preload", *options, "shop:app"]  # the program is read once, and not by each worker
        environment = {**os.environ, "LIVEGRAFT_TOKEN": TOKEN, "HOME": str(folder)}
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, cwd=folder, stderr=log, env=environment)
        # Each call may go to another worker: no connection is kept.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, limits=limits, timeout=120)

    def listens(self) -> None:
        found = eventually(lambda: re.search(r"Listening at: (http://\S+)", self.said), what="it listens")
        eventually(lambda: self.said.count("startup complete") == WORKERS, 120, "all workers are up")
        assert found is not None
        self.client.base_url = httpx.URL(f"{found[1]}/livegraft/api/v1")

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, script: str) -> str:
        answer = self.client.post(f"/scripts/{script}/runs", json={"arguments": {}})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def workers(self) -> set[int]:
        return {each["pid"] for each in self.get("/replicas")["replicas"]}

    def has_state(self, run: str, state: str, seconds: float = 60) -> Any:
        eventually(lambda: self.get(f"/runs/{run}")["state"] == state, seconds, f"{run} is {state}")
        return self.get(f"/runs/{run}")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.client.close()


@contextmanager
def gunicorn(folder: Path, *options: str) -> Iterator[Gunicorn]:
    server = Gunicorn(folder, *options)
    try:
        yield server
    finally:
        server.end()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files(scripts(tmp_path / "marks"))
    return repository


def program_of_the_guide(repository: Repository, data: Path) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace('"https://git.example.com/team/scripts"', repr(str(repository.path)))
    return str(code.replace('data="/var/lib/shop"', f"data={str(data)!r}, {SETTINGS}"))


def leave_slots_behind(repository: Repository, data: Path, minutes: int) -> None:
    """Have a history in which the schedule stood some minutes ago."""
    clock = FakeClock(datetime.now(UTC) - timedelta(minutes=minutes))
    with Supervisor(
        repository.path, data=data, clock=clock, probe=False, environments=False, settle_seconds=0
    ) as supervisor:
        clock.advance(60)
        eventually(supervisor.store.slots.find)
        for run in supervisor.store.runs.find():
            supervisor.wait(run.id, 60)


def process_of(run: str, data: Path) -> int:
    with closing(sqlite3.connect(data / "history.db")) as history:
        [(identity,)] = history.execute("SELECT process FROM runs WHERE id = ?", (run,))
    return int(identity.partition(":")[0])


def test_four_workers_run_each_slot_and_each_waiting_run_once_and_see_to_those_of_a_killed_one(
    repository: Repository, tmp_path: Path
) -> None:
    data, marks = tmp_path / "data", tmp_path / "marks"
    leave_slots_behind(repository, data, minutes=12)
    (tmp_path / "shop.py").write_text(program_of_the_guide(repository, data), encoding="utf-8")

    with gunicorn(tmp_path) as server:
        server.listens()
        eventually(lambda: len(server.workers()) == WORKERS)
        waiting = [server.start("one") for _ in range(8)]
        lost, again = server.start("naps"), server.start("again")
        for run in waiting:
            server.has_state(run, "succeeded")
        eventually(lambda: len(server.get("/slots?script=each&limit=100")["slots"]) >= 12, what="all are decided")
        slots = server.get("/slots?script=each&limit=100")["slots"]
        runs = [each["run"] for each in slots if each["state"] == "ran"]
        for run in runs:
            server.has_state(run, "succeeded")

        assert len({each["slot_at"] for each in slots}) == len(slots)
        # One that came due while those before it were caught up is skipped, as ``overlap`` says.
        assert {each["reason"].partition(" ")[0] for each in slots if each["state"] != "ran"} <= {"run"}
        assert len(runs) >= 10
        executed = Counter(marks.read_text().split())
        assert set(executed.values()) == {1}, "nothing was executed twice"
        assert executed.keys() >= {*runs, *waiting}

        for run in (lost, again):
            server.has_state(run, "running")
        victims = {process_of(run, data) for run in (lost, again)}
        assert victims <= server.workers()
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        server.has_state(lost, "lost", 10)
        server.has_state(again, "lost", 10)

        def repeated() -> bool:
            found = server.get("/runs?script=again")["runs"]
            return any(each["state"] == "running" and each["attempt"] == 2 for each in found)

        eventually(repeated, 10, "it has begun again")
        eventually(lambda: len(server.workers() - victims) == WORKERS, what="gunicorn has replaced the worker")


def test_a_supervisor_that_was_made_before_the_fork_is_refused_with_what_to_do(
    repository: Repository, tmp_path: Path
) -> None:
    code = program_of_the_guide(repository, tmp_path / "data")
    made = re.search(r"with (Supervisor\(.*\)) as supervisor:", code)
    assert made is not None
    code = code.replace(made[0], "with supervisor:").replace("@async", f"supervisor = {made[1]}\n\n@async", 1)
    (tmp_path / "shop.py").write_text(code, encoding="utf-8")

    with gunicorn(tmp_path, "--workers", "1") as server:
        assert server.process.wait(60) == 3
        assert "was forked from it: make it after the fork, in each worker" in server.said
