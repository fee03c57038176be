"""A commit of a local repository goes live from where it is; the mirror gets it right afterwards."""

from __future__ import annotations

from pathlib import Path

from livegraft.catalog import SyncState
from tests.support import eventually
from tests.support.host import Host

SCRIPT = "def run(): return {0}\n"


def test_what_went_live_is_in_the_mirror_a_moment_later(host: Host, tmp_path: Path) -> None:
    host.take({"a.py": SCRIPT.replace("{0}", "1")})
    host.take({"a.py": SCRIPT.replace("{0}", "2")})
    release = host.supervisor.release
    assert release is not None
    assert host.live.a.run() == 2

    [kept] = tmp_path.rglob("mirror.git/refs/livegraft/main")
    eventually(lambda: kept.read_text().strip() == release.revision.id, what="the mirror has the live commit")


def test_a_commit_that_cannot_be_fetched_is_told_and_the_next_ones_are_fetched_first(host: Host) -> None:
    host.take({"a.py": SCRIPT.replace("{0}", "1")})
    host.repository.git("config", "uploadpack.hideRefs", "refs/heads")

    host.repository.commit_files({"a.py": SCRIPT.replace("{0}", "2")})
    eventually(lambda: host.supervisor.sync_status.state is SyncState.FAILING, what="the failed fetch is told")
    host.repository.commit_files({"a.py": SCRIPT.replace("{0}", "3")})
    host.repository.git("config", "--unset", "uploadpack.hideRefs")

    host.sync()
    assert host.live.a.run() == 3
    assert host.supervisor.sync_status.state is SyncState.OK
