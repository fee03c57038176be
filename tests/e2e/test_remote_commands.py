"""The commands that speak to a running server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Repository
from tests.support.server import TOKEN, Server, a_server

GREET = '''
"""Greet somebody."""


def run(name: str = "you") -> str:
    print("working")
    return f"hello {name}"
'''

WAITS = """
import time
from livegraft import cancelled


def run():
    print("begun", flush=True)
    while not cancelled():
        time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository.create(tmp_path_factory.mktemp("remote") / "scripts")
    repository.commit_files(
        {"dir/greet.py": GREET, "waits.py": WAITS, "fails.py": "def run():\n    raise ValueError(1)\n"}
    )
    return repository


@pytest.fixture(scope="module")
def server(repository: Repository) -> Iterator[Server]:
    with a_server(repository.path, repository.path.parent) as server:
        yield server


def test_list_shows_each_script_with_its_state_and_what_it_is_for(server: Server) -> None:
    line = next(line for line in server.cli("list").splitlines() if "dir/greet" in line)

    assert "live" in line
    assert "Greet somebody." in line


@pytest.mark.parametrize("command", ["list", "releases", "versions", "sync"])
def test_json_is_for_programs(server: Server, command: str) -> None:
    assert json.loads(server.cli(command, "--json"))


def test_start_waits_for_the_result_and_logs_prints_the_output(server: Server) -> None:
    said = server.cli("start", "--wait", "20", "dir/greet", "--name", "Dana")

    id, state, result = said.split(maxsplit=2)
    assert (state, result) == ("succeeded", "hello Dana\n")
    assert server.cli("logs", id) == "working\n"
    assert server.cli("logs", "--follow", id) == "working\n"
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} out      working\n", server.cli("logs", "--times", id))


def test_start_fails_when_the_run_that_it_waits_for_fails(server: Server) -> None:
    said = server.cli("start", "--wait", "20", "fails", expect=1)

    assert "failed" in said
    assert 'File "fails.py", line 2' in said
    assert "ValueError: 1" in said


def test_help_of_a_script_on_the_server_shows_its_parameters(server: Server) -> None:
    assert "--name string" in server.cli("start", "dir/greet", "--help")


def test_a_run_is_cancelled(server: Server) -> None:
    id = server.cli("start", "waits").split()[0]

    server.cli("cancel", id)

    assert server.cli("logs", "--follow", id) == "begun\n"
    assert server.get(f"/runs/{id}")["state"] == "cancelled"


def test_runs_are_listed_by_filters(server: Server) -> None:
    greeted, failed = server.run("dir/greet")["id"], server.run("fails")["id"]

    assert failed in server.cli("runs", "--state", "failed", "--script", "fails", "--since", "1h")
    found = json.loads(server.cli("runs", "--script", "dir/", "--json", "--limit", "1"))["runs"]
    assert [run["id"] for run in found] == [greeted]
    assert greeted not in server.cli("runs", "--state", "open", "--until", "1h")
    assert "--since to be an instant" in server.cli("runs", "--since", "yesterday", expect=2)


def test_all_runs_that_match_are_cancelled_when_somebody_says_so(server: Server) -> None:
    going = [server.cli("start", "waits").split()[0] for _ in range(2)]

    asked = server.cli("cancel", "--script", "waits", "--state", "open", expect=2)
    assert "Cancel 2 runs?" in asked
    assert "--yes" in asked
    assert {server.get(f"/runs/{id}")["state"] for id in going} <= {"queued", "starting", "running"}

    assert "2 runs asked to stop, 0 refused" in server.cli("cancel", "--script", "waits", "--yes")
    for id in going:
        server.cli("logs", "--follow", id)
        assert server.get(f"/runs/{id}")["state"] == "cancelled"
    assert "0 runs asked to stop" in server.cli("cancel", "--script", "waits", "--yes")


def test_all_runs_that_match_are_repeated_and_what_is_refused_is_told(server: Server) -> None:
    first = server.run("dir/greet", name="Kim")["id"]
    filters = ["--script", "dir/greet", "--text", "kim"]

    done = json.loads(server.cli("rerun", *filters, "--yes", "--json"))["done"]
    again = next(each["again"] for each in done if each["run"] == first)
    assert server.get(f"/runs/{again}")["arguments"] == {"name": "Kim"}

    server.cli("quarantine", "dir/greet", "--reason", "rude")
    try:
        told = server.cli("rerun", *filters, "--yes", expect=1)
        assert "0 runs repeated" in told
        assert f"{first} dir/greet is quarantined" in told
    finally:
        server.cli("release", "dir/greet")


@pytest.mark.parametrize("words", [[], ["0123456789abcdef", "--state", "failed"]], ids=["neither", "both"])
@pytest.mark.parametrize("action", ["cancel", "rerun"])
def test_either_a_run_or_filters_are_named(server: Server, action: str, words: list[str]) -> None:
    assert "either the id of a run or filters" in server.cli(action, *words, expect=2)


def test_a_quarantined_script_takes_no_runs_until_it_is_released(server: Server) -> None:
    server.cli("quarantine", "fails", "--reason", "it fails")
    assert "quarantined" in server.cli("start", "fails", expect=1)

    server.cli("release", "fails")
    server.cli("start", "fails")  # it runs; how that ends is not waited for


def test_a_pinned_script_stays_at_its_version_until_it_is_unpinned(server: Server, repository: Repository) -> None:
    repository.commit_files({"pinned.py": "def run(): return 1\n"})
    server.cli("sync")
    first = server.scripts()["pinned"]["version"]["key"]
    repository.commit_files({"pinned.py": "def run(): return 2\n"})
    server.cli("sync")

    server.cli("pin", "pinned", first[:8], "--reason", "the second is worse")
    assert server.run("pinned")["result"] == 1

    server.cli("unpin", "pinned")
    assert server.run("pinned")["result"] == 2


def test_a_release_is_rolled_back_when_somebody_says_so(server: Server, repository: Repository) -> None:
    first = repository.commit_files({"sums.py": "def run(): return 1\n"})[:8]
    server.cli("sync")
    assert f"no script goes back: release {first}" in server.cli("roll-back", first, "--dry-run")
    revision = repository.commit_files({"sums.py": "def run(): return 2\n"})[:8]
    server.cli("sync")

    assert "sums" in server.cli("roll-back", revision, "--dry-run")
    asked = server.cli("roll-back", revision, expect=2)
    assert f"Pin 1 script to the version before {revision}?" in asked
    assert "--yes" in asked
    assert server.run("sums")["result"] == 2

    told = server.cli("roll-back", revision, "--yes", "--reason", "wrong")
    assert f"livegraft undo-roll-back {revision}" in told
    assert server.run("sums")["result"] == 1

    assert "1 script follows" in server.cli("undo-roll-back", revision)
    assert server.run("sums")["result"] == 2


def test_a_held_repository_is_not_followed_until_let_go(server: Server, repository: Repository) -> None:
    server.cli("hold", "--reason", "holidays")
    repository.commit_files({"late.py": "def run(): return 1\n"})
    server.cli("sync")
    assert "late" not in server.scripts()

    server.cli("let-go")
    server.cli("sync")
    assert "late" in server.scripts()


def test_sync_tells_what_it_did_and_what_failed_where(server: Server, repository: Repository) -> None:
    repository.commit_files({"bad.py": "import os\ndef run(: pass\n"})
    try:
        assert "bad.py:2: " in server.cli("sync")
    finally:
        repository.delete("bad.py")
        repository.commit("remove")


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["start", "dir/great"], 3, "did you mean 'dir/greet'?"),
        (["start", "dir/greet", "--nmae", "x"], 2, "did you mean 'name'?"),
        (["start", "--wait", "long", "dir/greet"], 2, "wait: "),
        (["logs", "nothing"], 3, "found no run 'nothing'"),
        (["release", "dir/greet"], 1, "to be quarantined"),
        (["pin", "dir/greet", "ffffffff"], 3, "found no version 'dir/greet@ffffffff'"),
        (["list", "--token", "wrong"], 4, "with the token of this server"),
    ],
)
def test_what_a_server_refuses_is_one_line_and_a_status(
    server: Server, words: list[str], status: int, told: str
) -> None:
    said = server.cli(*words, expect=status)

    assert told in said
    assert len(said.splitlines()) == 1


def test_the_token_is_found_in_the_folder_where_the_server_was_started(server: Server, tmp_path: Path) -> None:
    (tmp_path / "livegraft-data").mkdir()
    (tmp_path / "livegraft-data" / "token").write_text(TOKEN)
    environment = {name: value for name, value in os.environ.items() if name != "LIVEGRAFT_TOKEN"}

    done = subprocess.run(
        [sys.executable, "-m", "livegraft", "list", "--url", server.url],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert "dir/greet" in done.stdout


def test_shared_lists_names_and_shows_what_is_kept_under_one(server: Server, repository: Repository) -> None:
    keeps = """
        from datetime import timedelta
        from livegraft import shared
        def run():
            shared("reports/daily").put("day", {"n": 1}, expires_in=timedelta(hours=1))
            with shared("many").update() as draft:
                draft.update({f"key{n:03}": n for n in range(501)})
        """
    repository.commit_files({"keeps.py": keeps})
    server.sync()
    assert server.run("keeps")["state"] == "succeeded"

    assert {line.split()[0]: line.split()[1] for line in server.cli("shared").splitlines()[1:]} == {
        "many": "501",
        "reports/daily": "1",
    }
    assert '{"n": 1}' in server.cli("shared", "reports/daily")
    many = json.loads(server.cli("shared", "many", "--json"))
    assert [(many["values"][n]["key"], many["values"][n]["value"]) for n in (0, 500)] == [
        ("key000", 0),
        ("key500", 500),
    ]
    assert "did you mean 'many'?" in server.cli("shared", "man", expect=3)


def test_the_support_bundle_goes_into_a_file_that_did_not_exist(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "support.zip"

    assert str(file) in server.cli("support", str(file))
    assert zipfile.is_zipfile(file)
    assert "new file" in server.cli("support", str(file), expect=2)


def test_the_processes_on_a_history_are_listed(server: Server) -> None:
    assert server.process is not None
    _, line = server.cli("replicas").splitlines()

    assert f"{server.process.pid} (asked)" in line
    assert server.url in line
