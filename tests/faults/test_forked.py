"""A supervisor that was started before a fork, as by gunicorn with `--preload` and a module that starts one."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from livegraft.errors import ConfigurationError, StoreError
from tests.support.host import Host, a_host

FILES = {"quick.py": "def run(): return 1\n", "pricing.py": "def quote(): return 1\n"}


def in_a_fork(does: Callable[[], None]) -> None:
    """Do it in a forked process, and fail with what failed there."""
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        said = b""
        try:
            does()
        except BaseException:  # noqa: BLE001 - it must not go on as its parent
            said = traceback.format_exc().encode()
        os.write(writes, said or b"done")
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as told:
        said = told.read()
    os.waitpid(pid, 0)
    assert said == b"done", said.decode()


def use(host: Host, parent: int) -> None:
    supervisor = host.supervisor
    was_opened = f"was opened by process {parent}.*after the fork, in each worker"
    with pytest.raises(StoreError, match=was_opened):
        supervisor.run("quick")
    with pytest.raises(StoreError, match=was_opened):
        supervisor.store.runs.find()
    with pytest.raises(ConfigurationError, match="make it after the fork"):
        supervisor.start()
    assert supervisor.health()["status"] == "stopped"
    assert host.live.pricing.quote() == 1
    supervisor.stop()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_told_that_nothing_of_the_supervisor_is_its_own_and_harms_nothing(tmp_path: Path) -> None:
    with a_host(tmp_path, files=FILES) as host:
        host.live.pricing.quote()  # what was loaded before can be called there
        parent = os.getpid()

        in_a_fork(lambda: use(host, parent))

        assert host.supervisor.run("quick").result == 1
        assert host.supervisor.health()["status"] == "ok"
