"""Scripts that kill a real server, which its parent starts again: on the last good release, then in safe mode."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import Repository
from tests.support.guests import HOST_DIES, Guest, guests
from tests.support.server import Server, a_server
from tests.support.waiting import eventually

GOOD = "# cron: * * * * *\ndef run():\n    return 'good'\n"
NEWER = "# cron: * * * * *\ndef run():\n    return 'newer'\n"
KILLER = next(guest for guest in guests() if guest.name == "exit_at_once").script("thread")
DEADLY = [(guest, mode) for guest in guests() for mode, verdict in guest.verdicts.items() if verdict.state == HOST_DIES]
"""What can end the process that a script runs in: all that the battery says it of."""


@contextmanager
def a_supervised_server(folder: Path, *options: str) -> Iterator[tuple[Server, Repository]]:
    repository = Repository.create(folder / "scripts")
    repository.commit_files({"a.py": GOOD})
    with a_server(repository.path, folder, "--supervised", "--poll", "3600", *options) as server:
        yield server, repository


def command(repository: Repository, folder: Path, *options: str) -> list[str]:
    served = [sys.executable, "-m", "livegraft", "serve", str(repository.path), "--data", str(folder / "data")]
    return [*served, "--listen", "127.0.0.1:0", "--supervised", *options]


def child(server: Server) -> psutil.Process:
    assert server.process is not None
    [found] = psutil.Process(server.process.pid).children()
    return found


def kill(server: Server) -> None:
    """Start the run that kills the server; nothing answers."""
    with suppress(httpx.TransportError):
        server.run("killer")


def wait_until_back(server: Server, dead: psutil.Process) -> None:
    """Until another process answers."""

    def is_back() -> bool:
        try:
            return "status" in server.get("/health", allow_errors=True) and not dead.is_running()
        except httpx.TransportError:
            return False

    eventually(is_back, what="another process answers")


@pytest.mark.parametrize(("guest", "mode"), DEADLY, ids=[f"{guest.name}-{mode}" for guest, mode in DEADLY])
def test_a_run_that_kills_the_server_finds_it_back_on_the_last_good_release(
    guest: Guest, mode: str, tmp_path: Path
) -> None:
    with a_supervised_server(tmp_path) as (server, repository):
        before = child(server)
        bad = repository.commit_files({"a.py": NEWER, "killer.py": guest.script(mode)})
        server.sync()
        assert server.run("a")["result"] == "newer"

        kill(server)

        wait_until_back(server, before)
        assert server.run("a")["result"] == "good"
        health = server.get("/health")
        assert (health["status"], health["refused"]) == ("ok", bad)
        assert health["crash"] == f"the process died soon after it switched to commit {bad[:8]}"
        [run] = server.get("/runs?script=killer")["runs"]
        assert run["state"] == "lost"
        assert run["error"]["message"].endswith(": strike 1 of 3 for its version")


def test_an_import_that_kills_the_server_finds_it_back_on_the_last_good_release(tmp_path: Path) -> None:
    with a_supervised_server(tmp_path, "--no-probe") as (server, repository):
        before = child(server)
        repository.commit_files({"a.py": NEWER, "killer.py": "import os\nos.abort()\ndef run(): ..."})
        with suppress(httpx.TransportError):
            server.sync()

        wait_until_back(server, before)
        assert server.run("a")["result"] == "good"
        [strike] = [row for row in server.get("/audit")["audit"] if row["action"] == "strike"]
        assert (strike["subject"], strike["detail"]["doing"]) == ("killer", "loading")


def test_a_second_death_leads_to_safe_mode_which_the_next_commit_ends(tmp_path: Path) -> None:
    with a_supervised_server(tmp_path) as (server, repository):
        repository.commit_files({"killer.py": KILLER})
        server.sync()
        first = child(server)
        kill(server)
        wait_until_back(server, first)

        # The last good release has no killer: this one is killed from outside, which looks no different.
        second = child(server)
        second.kill()
        wait_until_back(server, second)

        health = server.get("/health", allow_errors=True)
        assert health["status"] == "degraded"
        assert "and died again soon after it began with commit" in health["safe_mode"]
        assert [each["state"] for each in server.get("/versions")["versions"]] == []
        answer = server.post("/scripts/a/runs", {"arguments": {}}, allow_errors=True)
        assert answer["error"]["code"] == "not_runnable"
        assert answer["error"]["message"].startswith("safe mode, no code of scripts is loaded")
        link = server.cli("link").strip()
        with httpx.Client(follow_redirects=True) as client:
            client.get(link)
            assert "Safe mode: no code of scripts is loaded" in client.get(server.url).text
        assert "safe mode: " in server.cli("sync", expect=1)

        repository.commit_files({"a.py": NEWER, "killer.py": "def run(): ..."})
        server.sync()

        assert server.run("a")["result"] == "newer"
        assert server.get("/health")["safe_mode"] is None


def test_a_person_can_have_the_refused_commit_taken_again(tmp_path: Path) -> None:
    with a_supervised_server(tmp_path) as (server, repository):
        repository.commit_files({"a.py": NEWER})
        server.sync()
        first = child(server)
        first.kill()
        wait_until_back(server, first)
        assert server.run("a")["result"] == "good"

        assert "done" in server.cli("resume")

        assert server.run("a")["result"] == "newer"


def test_the_end_of_the_parent_is_the_end_of_the_server(tmp_path: Path) -> None:
    with a_supervised_server(tmp_path) as (server, _):
        served = child(server)
        assert server.stop() == 0
        assert not served.is_running()
        assert list((server.data / "crashes").iterdir()) == [], "it was stopped, and did not die"

        server.start()
        orphan = child(server)
        server.kill()
        eventually(lambda: not orphan.is_running(), what="it notices")
        assert list((server.data / "crashes").iterdir()) == []


def test_a_signal_during_the_start_ends_it_and_is_no_crash(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"slow.py": "import time\ntime.sleep(60)\ndef run(): ..."})
    marks = tmp_path / "data" / "crashes"
    with subprocess.Popen(command(repository, tmp_path, "--no-probe")) as parent:
        eventually(lambda: marks.is_dir() and any(b"slow" in file.read_bytes() for file in marks.iterdir()))
        parent.terminate()
        assert parent.wait(60) == 128 + signal.SIGTERM
    assert list(marks.iterdir()) == []


def test_a_signal_while_there_is_no_server_ends_it(tmp_path: Path) -> None:
    with a_supervised_server(tmp_path) as (server, _):
        child(server).kill()
        assert server.stop() == 128 + signal.SIGTERM


def test_a_server_that_cannot_start_is_not_started_again(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    done = subprocess.run(
        command(repository, tmp_path, "--release", "sometimes"), capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert done.stderr.count("expected release to be one of") == 1
