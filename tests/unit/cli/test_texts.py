"""What the command line tells somebody who is new to it: one line of help a command, one line an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from livegraft.cli.main import app
from tests.support.api import Api, an_api

GREET = "def run(name: str = 'you'): return name\n"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LIVEGRAFT_URL", "LIVEGRAFT_TOKEN", "LIVEGRAFT_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a command leaves to the end of its process."""
    with ExitStack() as opened:

        def client(**settings: Any) -> httpx.Client:
            return opened.enter_context(httpx.Client(**settings))

        monkeypatch.setattr("livegraft.cli.client.httpx", SimpleNamespace(**{**vars(httpx), "Client": client}))
        yield


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("host"), {"greet.py": GREET}) as found:
        yield found


def said(words: list[str]) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "78"}).invoke(app, words)
    return done.exit_code, done.output


def test_the_help_has_a_whole_sentence_for_each_command() -> None:
    _, told = said(["--help"])

    _, commands = told.split("Commands:\n")
    assert [line for line in commands.splitlines() if line.strip() and not line.endswith(".")] == []
    assert "..." not in commands


@pytest.mark.parametrize("command", ["run", "start"])
def test_the_usage_of_a_command_that_takes_a_scripts_options_shows_where_they_stand(command: str) -> None:
    _, told = said([command, "--help"])

    assert "NAME [--PARAMETER VALUE ...]" in told.partition("\n\n")[0]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (
            ["list", "--url", "nonsense"],
            2,
            "expected the address of a server, as http://127.0.0.1:8787, got: 'nonsense'",
        ),
        (["list", "--url", "ftp://host"], 2, "expected the address of a server"),
        (["list", "--url", "http://"], 2, "expected the address of a server"),
        (["list", "--url", NOWHERE], 5, "start it, or check its address"),
        (["check", "--against", NOWHERE], 5, "start it, or check its address"),
        (["runs", "--state", "done"], 2, "expected --state to be one of open, queued, starting, running, "),
        (["start", "--wait"], 2, "expected a value after --wait, got nothing"),
        (["run", "--path"], 2, "expected a value after --path, got nothing"),
        (["serve", ".", "--listen", "8787"], 2, "expected --listen HOST:PORT, as 127.0.0.1:8787, got: '8787'"),
        (["serve", ".", "--release", "half"], 2, "expected release to be one of each, whole, got: 'half'"),
        (["serve", ".", "--keep", "age=soon"], 2, "keep: age: expected a duration"),
        (["serve", ".", "--limit", "ram=2GiB"], 2, "expected one of memory, cpu, open-files, processes, got: 'ram'"),
        (["serve", ".", "--provide", "db"], 2, "expected --provide NAME=MODULE:ATTRIBUTE, got: 'db'"),
        (["check", "nowhere"], 2, "expected a directory, got: "),
        (["backup", "copy.db"], 6, "name the data folder with --data"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_what_to_do(words: list[str], status: int, told: str) -> None:
    found, output = said(words)

    assert told in output
    assert found == status
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("words", [["list"], ["list", "--token", "wrong"]])
def test_who_has_no_valid_token_is_told_how_to_give_one(api: Api, words: list[str]) -> None:
    found, output = said([*words, "--url", api.origin])

    assert "give it with --token or LIVEGRAFT_TOKEN" in output
    assert found == 4


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["logs", "nothing"], 3, "found no run 'nothing'"),
        (["pin", "greet", "ffffffff"], 3, "found no version 'greet@ffffffff'"),
        (["pause", "gret"], 3, "found no script 'gret'; did you mean 'greet'?"),
        (["shared", "nothing"], 3, "found no shared data 'nothing'"),
        (
            ["backfill", "greet", "--from", "x", "--to", "2026-03-01T00:00Z"],
            2,
            "does not fit: first: expected an instant",
        ),
    ],
)
def test_what_a_server_does_not_find_or_take_is_named(api: Api, words: list[str], status: int, told: str) -> None:
    found, output = said([*words, "--url", api.origin, "--token", api.access.token])

    assert told in output
    assert found == status
    assert len(output.splitlines()) == 1


def test_a_port_that_is_taken_is_told_with_how_to_name_another(api: Api) -> None:
    taken = api.origin.removeprefix("http://")

    found, output = said(["serve", ".", "--listen", taken])

    assert f"expected to listen on '{taken}', got: Address already in use; name another with --listen" in output
    assert found == 2
