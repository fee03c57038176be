"""A token is seen by git and by nobody else: no process list, no file, no log, no message."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.errors import MirrorError
from livegraft.mirror.git import GitMirror
from tests.support import Repository
from tests.support.git_server import GitServer, serving

CANARY = "canary/To+ken"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path) as server:
        server.token = CANARY
        yield server


@pytest.fixture
def closed_mirror(repository: Repository, server: GitServer, tmp_path: Path) -> Iterator[GitMirror]:
    repository.commit_files({"a.py": "1\n"})
    mirror = GitMirror(
        server.address("repository"), folder=tmp_path / "data" / "mirror", token=CANARY, deadline_seconds=60
    )
    yield mirror
    mirror.close()


def test_no_argument_list_has_the_token_while_it_is_used(closed_mirror: GitMirror, server: GitServer) -> None:
    server.gate.clear()
    fetching = threading.Thread(target=closed_mirror.fetch)
    fetching.start()
    assert server.waiting.wait(60), "git was let in by the token and waits for its answer"

    seen = argument_lists()

    server.gate.set()
    fetching.join()
    assert any(b"git-remote-http" in arguments or b"remote-http" in arguments for arguments in seen)
    assert not [arguments for arguments in seen if b"canary" in arguments]


def test_no_file_has_the_token(closed_mirror: GitMirror, tmp_path: Path) -> None:
    closed_mirror.fetch()

    files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]

    assert files
    assert not [file for file in files if b"canary" in file.read_bytes()]


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 500])
def test_no_message_no_traceback_and_no_log_has_the_token(
    closed_mirror: GitMirror, server: GitServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    server.status = status
    server.token = "another" if status in (200, 401) else CANARY

    with pytest.raises(MirrorError) as caught:
        closed_mirror.fetch()

    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.details) + caplog.text
    assert "canary" not in told


@pytest.mark.parametrize("form", ["canary/To+ken", "canary%2FTo%2Bken", "https://dana:canary@example.com/x"])
def test_what_a_server_repeats_of_the_token_is_hidden(closed_mirror: GitMirror, server: GitServer, form: str) -> None:
    server.status, server.words = 500, f"no entry for {form}"

    with pytest.raises(MirrorError, match="no entry for") as caught:
        closed_mirror.fetch()

    assert "***" in caught.value.reason
    assert "canary" not in caught.value.reason


def argument_lists() -> list[bytes]:
    lists: list[bytes] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lists.append(file.read_bytes())
        except OSError:
            continue  # it ended while we looked
    return lists
