"""What a run printed before ``kill -9`` is there after the next start."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from livegraft import Supervisor
from livegraft.run import RunState
from tests.support import Repository

LOST_SECONDS = 3.0
"""One, and what a busy machine adds to it."""
PRINTS = """
    import time

    def run(lines: int):
        for n in range(lines):
            print(f"{n:09}" + "." * 90)
            if n % 1000 == 0:
                time.sleep(0.001)
        told = time.monotonic() + 60
        while time.monotonic() < told:
            print("at", time.time())
            time.sleep(0.01)
    """
HOST = """
import sys, time
from livegraft import Supervisor
with Supervisor(sys.argv[1], data=sys.argv[2], tick=False) as supervisor:
    run = supervisor.run("prints", lines=int(sys.argv[3]))
    while "at " not in supervisor.output(run.id, max(0, int(sys.argv[3]) * 100 - 100), 4000).decode():
        time.sleep(0.05)
    print(run.id, flush=True)
    time.sleep(60)
"""


def test_a_killed_host_loses_at_most_the_last_second_of_short_and_of_long_output(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"prints.py": PRINTS})
    for lines in (10, 50_000):
        data = tmp_path / f"data{lines}"
        command = [sys.executable, "-c", HOST, str(repository.path), str(data), str(lines)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
            assert host.stdout is not None
            id = host.stdout.readline().strip()
            time.sleep(1.5)  # the run goes on printing; the kill comes at any moment of it
            killed_at = time.time()
            host.kill()

        with Supervisor(repository.path, data=data, tick=False) as supervisor:
            run = supervisor.find_run(id)
            text = supervisor.whole_output(id).decode()

        assert run.state is RunState.LOST
        assert killed_at - float(text.splitlines()[-1].removeprefix("at ")[:17]) < LOST_SECONDS
        dropped = re.search("\n… ([0-9]+) bytes dropped …\n", text)
        assert (dropped is not None) == (lines > 30_000)
        lost = 0 if dropped is None else int(dropped[1]) - len(dropped[0].encode())
        assert len(text.encode()) + lost == run.output_bytes
        assert not list((data / "output").iterdir())
