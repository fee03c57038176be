"""A host that is killed takes the processes of its runs with it; what outlives it is found at the next start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from livegraft import Supervisor
from livegraft.isolation.processes import MARK
from livegraft.isolation.runner import sweep
from livegraft.process import identity
from livegraft.run import RunState
from tests.support import Repository, eventually

SCRIPT = """
# /// script
# [tool.livegraft]
# isolation = "process"
# retry-on-crash = true
# ///
import os, subprocess, sys, time
from pathlib import Path

def run(told: Path, seconds: float = 600.0):
    asleep = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
    fled = subprocess.Popen(asleep, start_new_session=True)
    told.with_suffix(".coming").write_text(f"{os.getpid()} {os.getppid()} {fled.pid}")
    told.with_suffix(".coming").rename(told)
    if len(list(told.parent.glob("*.seen"))) == 0:
        told.with_suffix(".seen").touch()
        fled.wait()
    return "done"
"""

HOST = """
import sys, time
from livegraft import Supervisor
with Supervisor(sys.argv[1], data=sys.argv[2], tick=False, probe=False) as supervisor:
    supervisor.run("works", told=sys.argv[3])
    time.sleep(600)
"""


@pytest.mark.timeout(120)
def test_a_killed_host_takes_its_runs_along_and_the_next_one_starts_them_again(tmp_path: Path) -> None:
    repository, data, told = Repository.create(tmp_path / "scripts"), tmp_path / "data", tmp_path / "told"
    repository.commit_files({"works.py": SCRIPT})
    command = [sys.executable, "-c", HOST, str(repository.path), str(data), str(told)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as host:
        eventually(told.exists, what="the run has told its processes")
        pids = [int(pid) for pid in told.read_text().split()]
        assert all(psutil.pid_exists(pid) for pid in pids)
        host.kill()

    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="all of them are gone")

    with Supervisor(repository.path, data=data, tick=False, probe=False) as supervisor:
        [lost] = supervisor.find_runs(states=[RunState.LOST])

        def recovered() -> bool:
            return [each.state for each in supervisor.repeats(lost.id)] == [RunState.SUCCEEDED]

        eventually(recovered, what="the lost run was started again")
        assert supervisor.repeats(lost.id)[0].attempt == 2
        assert not (data / "runs" / lost.id).exists()


def has_ended_or_shows(marked: subprocess.Popen[bytes]) -> bool:
    """It shows its mark a moment after its start; supervisors of other tests may end it before that is seen."""
    return marked.poll() is not None or MARK.encode() in Path("/proc", str(marked.pid), "environ").read_bytes()


def test_a_process_that_outlived_its_host_is_ended_and_others_are_not() -> None:
    pid, _, machine = identity().split(":")
    asleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    left = subprocess.Popen(asleep, env={**os.environ, MARK: f"{pid}:2:{machine}"})
    in_a_container = subprocess.Popen(asleep, env={**os.environ, MARK: f"{pid}:2:{machine}.f00000ff"})
    other = subprocess.Popen(asleep)
    try:
        for marked in (left, in_a_container):
            eventually(lambda: has_ended_or_shows(marked), what="its environment shows")  # noqa: B023 - called at once

        assert not {in_a_container.pid, other.pid} & set(sweep())
        assert left.wait(60) == -9
        assert in_a_container.poll() is None
        assert other.poll() is None
    finally:
        for process in (left, in_a_container, other):
            process.kill()
            process.wait()
