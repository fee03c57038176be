"""Case 27: breakpoints are hit and lines are measured in the file of the right commit."""

from __future__ import annotations

import bdb
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from livegraft.version import VersionState
from tests.support import eventually
from tests.support.host import Host
from tests.support.repository import Repository

HELPER = "def price(net):\n    if net < 0:\n        return 0\n    return net * {factor}\n"
SCRIPT = "from helpers.util import price\n\ndef run(net: int = 1):\n    return price(net)\n"

HOST = """
import sys
from livegraft import Supervisor

with Supervisor(sys.argv[1], data=sys.argv[2], poll_seconds=3600) as supervisor:
    print(supervisor.run("jobs/s").result)
"""


class Breakpoints(bdb.Bdb):
    """Notes where it stops, and the value of a local there."""

    def __init__(self) -> None:
        super().__init__()
        self.stops: list[tuple[str, int, Any]] = []

    def user_line(self, frame: FrameType) -> None:
        if self.break_here(frame):
            self.stops.append((frame.f_code.co_filename, frame.f_lineno, frame.f_locals.get("net")))
        self.set_continue()


def test_case_27_a_breakpoint_is_hit_in_the_file_of_its_own_commit(host: Host) -> None:
    host.take({"helpers/util.py": HELPER.format(factor=1), "jobs/s.py": SCRIPT})
    old = host.live.jobs.s
    host.take({"helpers/util.py": HELPER.format(factor=2)})
    new = host.live.jobs.s
    new_file, old_file = (module.price.__code__.co_filename for module in (new, old))

    # Sources are written a moment after the switch.
    eventually(lambda: Path(new_file).exists() and Path(old_file).exists())
    debugger = Breakpoints()
    assert debugger.set_break(new_file, 4) is None
    answers = [debugger.runcall(module.run, net) for module in (old, new) for net in (5, -1)]

    assert answers == [5, 0, 10, 0]
    assert debugger.stops == [(new_file, 4, 5)]
    assert Path(new_file).read_text() == HELPER.format(factor=2)
    assert Path(old_file).read_text() == HELPER.format(factor=1)


def test_case_27_coverage_maps_the_sources_to_paths_of_the_repository(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files({"helpers/util.py": HELPER.format(factor=2), "jobs/s.py": SCRIPT})
    (tmp_path / "host.py").write_text(HOST)
    # What the page says that people should paste, with the two places of this test in it.
    page = (Path(__file__).parents[3] / "docs" / "howto" / "debug.md").read_text(encoding="utf-8")
    pasted = re.search(r"```ini\n(.*?)```", page, re.DOTALL)
    assert pasted is not None
    settings = (
        pasted[1].replace("/srv/scripts", str(repository.path)).replace("/srv/livegraft-data", str(tmp_path / "data"))
    )
    (tmp_path / ".coveragerc").write_text(settings)

    def coverage(*arguments: str) -> str:
        command = [sys.executable, "-m", "coverage", *arguments]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ran = coverage("run", "host.py", str(repository.path), str(tmp_path / "data"))
    coverage("combine")
    coverage("json", "-o", "coverage.json")

    files = json.loads((tmp_path / "coverage.json").read_text())["files"]
    measured = {os.path.relpath(tmp_path / file, repository.path): facts for file, facts in files.items()}
    assert ran == "2\n"
    assert {path: (facts["executed_lines"], facts["missing_lines"]) for path, facts in measured.items()} == {
        "helpers/util.py": ([1, 2, 4], [3]),
        "jobs/s.py": ([1, 3, 4], []),
    }


def test_case_27_a_late_error_of_an_unloaded_version_still_shows_its_lines(host: Host) -> None:
    host.take({"s.py": "def run():\n    raise ValueError('late')  # the line that failed\n"})
    key, commit = host.key("s"), host.repository.git("rev-parse", "HEAD")
    try:
        host.live.s.run()
    except ValueError as error:
        code = error.__traceback__.tb_next.tb_frame.f_code  # type: ignore[union-attr]
        lines = [(code, 2)]
    host.take({"s.py": "def run(): ..."})
    host.wait_for("s", key, VersionState.UNLOADED)

    frames: Any = ((_Frame(code), line) for code, line in lines)
    shown = traceback.StackSummary.extract(frames, lookup_lines=True)

    assert [summary.line for summary in shown] == ["raise ValueError('late')  # the line that failed"]
    assert host.supervisor._loader.locate(code.co_filename) == ("s.py", commit[:8])
    assert time.time() - os.stat(Path(code.co_filename).parent).st_mtime < 3600


class _Frame:
    """As much of a frame as a traceback reads, without the globals that would hold the version."""

    def __init__(self, code: Any) -> None:
        self.f_code, self.f_globals = code, {"__name__": "gone"}
        self.f_locals: dict[str, Any] = {}
