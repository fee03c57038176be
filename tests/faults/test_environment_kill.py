"""A host that is killed while it makes an environment: nothing half made is ever used, and nothing is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from livegraft import Supervisor
from tests.support import Repository, eventually
from tests.support.package_index import PackageIndex, a_package_index
from tests.support.wheels import Wheels

SCRIPT = """# /// script
# dependencies = ["plum"]
# ///
import plum, pear
def run(): return [plum.VERSION, pear.VERSION]
"""

HOST = """
import sys, time
from livegraft import Supervisor
with Supervisor(sys.argv[1], data=sys.argv[2], package_index=sys.argv[3], tick=False, probe=False) as supervisor:
    time.sleep(600)
"""


def installers(data: Path) -> list[psutil.Process]:
    """The processes of uv that work in a data folder."""
    found = []
    for process in psutil.process_iter(["cwd", "name"]):
        if process.info["name"] == "uv" and str(process.info["cwd"]).startswith(str(data)):
            found.append(process)
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("stalled", ["plum-1.0-py3-none-any.whl.metadata", "plum-1.0-py3-none-any.whl"])
def test_an_environment_that_was_half_made_when_the_host_was_killed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stalled: str
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    wheels, repository, data = Wheels(tmp_path / "wheels"), Repository.create(tmp_path / "scripts"), tmp_path / "data"
    wheels.add("plum", "1.0", requires=["pear"])
    wheels.add("pear", "2.0")
    repository.commit_files({"needs.py": SCRIPT})
    with a_package_index(wheels.folder) as index:
        index.stalled = stalled
        left = kill_in_the_middle(index, repository, data)
        assert left  # they go on, for nobody
        assert list((data / "environments").glob(".building-*"))
        assert not list((data / "environments").glob("[0-9a-f]*"))

        index.stalled = "nothing"
        with Supervisor(
            repository.path, data=data, package_index=index.address, tick=False, probe=False, poll_seconds=3600
        ) as supervisor:
            eventually(lambda: not any(each.is_running() for each in left), what="what was left of uv is ended")
            supervisor.settle(60)
            assert supervisor.script("needs").error is None
            assert supervisor.run("needs").result == ["1.0", "2.0"]
        assert not list((data / "environments").glob(".building-*"))


def kill_in_the_middle(index: PackageIndex, repository: Repository, data: Path) -> list[psutil.Process]:
    """Kill a host that makes an environment; the processes of uv that it had."""
    command = [sys.executable, "-c", HOST, str(repository.path), str(data), index.address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as host:
        assert index.is_asked.wait(60)
        # Now, and not after the kill: any other supervisor on this machine ends them when it starts.
        found = installers(data)
        host.kill()
    return found


def test_a_supervisor_that_stops_while_an_environment_is_made_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    wheels, repository, data = Wheels(tmp_path / "wheels"), Repository.create(tmp_path / "scripts"), tmp_path / "data"
    wheels.add("plum", "1.0")
    repository.commit_files({"needs.py": SCRIPT})
    with a_package_index(wheels.folder) as index:
        index.stalled = "plum-1.0-py3-none-any.whl"
        with Supervisor(repository.path, data=data, package_index=index.address, tick=False, probe=False):
            assert index.is_asked.wait(60)
        assert not installers(data)
        assert not list((data / "environments").glob(".building-*"))
