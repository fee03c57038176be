"""``livegraft check --against URL``: what the next commit would do to a server that is really there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import Repository
from tests.support.server import TOKEN, Server, a_server

SCRIPTS = {
    "same.py": "def run(): return 1",
    "priced.py": "import rates\n# cron: 0 7 * * *\ndef run(count: int, name: str = 'x'): return rates.RATE",
    "daily.py": "# cron: 0 7 * * *  Europe/Berlin\ndef run(): ...",
    "gone.py": "def run(): ...",
    "rates.py": "RATE = 1",
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository.create(tmp_path_factory.mktemp("against") / "scripts")
    repository.commit_files(SCRIPTS)
    return repository


@pytest.fixture(scope="module")
def server(repository: Repository) -> Iterator[Server]:
    with a_server(repository.path, repository.path.parent) as server:
        yield server


@pytest.fixture
def tree(repository: Repository, tmp_path: Path) -> Repository:
    """Another work tree of the same commit."""
    repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    return Repository(tmp_path / "tree")


def check(server: Server, tree: Repository, *, expect: int) -> Any:
    answer = json.loads(server.cli("check", str(tree.path), "--against", server.url, "--json", expect=expect))
    return {each["script"]: each for each in answer["against"]["changes"]} | {
        "unchanged": answer["against"]["unchanged"]
    }


def test_a_work_tree_of_the_live_commit_changes_nothing(server: Server, tree: Repository) -> None:
    said = server.cli("check", str(tree.path), "--against", server.url)

    assert f"compared with {server.url} at {tree.git('rev-parse', 'HEAD')[:8]}:" in said
    assert "0 added, 0 changed, 0 removed, 4 unchanged; 0 faults; nothing breaks" in said


def test_what_it_adds_changes_and_removes_is_listed_and_is_no_fault(server: Server, tree: Repository) -> None:
    tree.write({"new.py": "# cron: @hourly\ndef run(): ...", "rates.py": "RATE = 2"})
    tree.write({"daily.py": "# cron: 0 8 * * *  Europe/Berlin\ndef run(): ..."})
    (tree.path / "gone.py").unlink()

    found = check(server, tree, expect=0)

    assert {name: each["change"] for name, each in found.items() if name != "unchanged"} == {
        "daily": "changed",
        "gone": "removed",
        "new": "added",
        "priced": "changed",
    }
    assert found["unchanged"] == 1
    assert found["daily"]["notes"] == [
        "schedule ends: 0 7 * * * Europe/Berlin",
        "schedule begins: 0 8 * * * Europe/Berlin",
    ]
    assert found["new"]["notes"] == ["schedule begins: 0 * * * * UTC"]


def test_what_it_breaks_is_told_and_ends_with_status_1(server: Server, tree: Repository) -> None:
    tree.write({"priced.py": "def run(count: str, name: str): ...", "daily.py": "import nowhere\ndef run(): ..."})

    found = check(server, tree, expect=1)
    said = server.cli("check", str(tree.path), "--against", server.url, expect=1)

    assert found["priced"]["breaks"] == [
        "parameter count: was integer, is string",
        "parameter name: had a default, is required now",
    ]
    assert found["daily"]["breaks"] == [
        "does not load: daily.py:1: ModuleNotFoundError: No module named 'nowhere'",
    ]
    assert "    breaks: parameter count: was integer, is string\n" in said
    assert said.endswith("0 added, 2 changed, 0 removed, 2 unchanged; 1 fault; 2 scripts would break\n")


def test_a_server_that_is_not_there_and_a_wrong_token_are_errors_of_their_own(server: Server, tree: Repository) -> None:
    said = server.cli("check", str(tree.path), "--against", "http://127.0.0.1:9", expect=5)
    assert "expected a livegraft server at http://127.0.0.1:9" in said

    said = server.cli("check", str(tree.path), "--against", server.url, "--token", "wrong" + TOKEN, expect=4)
    assert "token" in said
