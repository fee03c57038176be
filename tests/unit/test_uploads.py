"""Files as arguments: kept by content, named in the history, given to the run."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livegraft import Upload
from livegraft.errors import ArgumentsError
from livegraft.run import RunState
from livegraft.uploads import KEPT_SECONDS, SIZE_LIMIT, Uploads
from tests.support.host import a_host
from tests.support.running import Running, running


def sent(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(content).decode()}


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    uploads = Uploads(tmp_path / "uploads")
    uploads.folder.mkdir()
    return uploads


@pytest.fixture
def host(tmp_path: Path, uploads: Uploads) -> Iterator[Running]:
    with running(tmp_path, uploads=uploads) as host:
        yield host


def test_a_run_reads_it_and_the_history_names_it(host: Running) -> None:
    def run(orders: Upload) -> tuple[str, str]:
        return orders.name, orders.read_text()

    handle = host.run(run, orders=sent("orders.csv", b"a,b"))

    assert handle.result == ["orders.csv", "a,b"]
    kept = handle.record.arguments["orders"]
    assert (kept["name"], kept["bytes"], len(kept["upload"])) == ("orders.csv", 3, 64)
    assert host.run(run, orders=kept).result == ["orders.csv", "a,b"]


def test_lists_of_them_and_none_are_taken(host: Running) -> None:
    def run(files: list[Upload], more: Upload | None = None) -> list[bytes]:
        return [each.read_bytes() for each in files]

    assert host.run(run, files=[sent("a", b"1"), sent("b", b"2")], more=None).result == ["MQ==", "Mg=="]


def test_the_same_content_is_kept_once_and_cannot_be_changed_by_mistake(uploads: Uploads) -> None:
    first, second = uploads.keep(sent("a", b"same")), uploads.keep(sent("b", b"same"))

    assert first["upload"] == second["upload"]
    [file] = uploads.folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o400


def test_other_arguments_that_look_like_files_stay_as_they_are(host: Running) -> None:
    def run(message: dict[str, str]) -> dict[str, str]:
        return message

    assert host.run(run, message=sent("a", b"x")).result == sent("a", b"x")


@pytest.mark.parametrize(
    "given",
    [
        "text",
        {"name": "a", "content": "no base64!"},
        {"name": "a", "upload": "../history.db"},
        {"name": "a", "upload": "0" * 64},
        {"name": "a", "upload": "0" * 63 + "/"},
        {"name": "a", "content": base64.b64encode(bytes(SIZE_LIMIT + 1)).decode()},
        {"content": "AAAA"},
        None,
    ],
)
def test_what_is_no_file_is_refused(host: Running, given: Any) -> None:
    def run(orders: Upload) -> None: ...

    with pytest.raises(ArgumentsError) as raised:
        host.run(run, orders=given)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("name", "kept"), [("../../etc/passwd", "passwd"), ("C:\\temp\\a.csv", "a.csv"), ("a\nb\x00", "ab"), ("/", "file")]
)
def test_a_name_is_never_a_path(uploads: Uploads, name: str, kept: str) -> None:
    assert uploads.keep(sent(name, b"x"))["name"] == kept


def test_one_that_no_run_was_given_for_long_is_removed_and_asked_for_again(host: Running, uploads: Uploads) -> None:
    def run(orders: Upload) -> None: ...

    record = host.run(run, orders=sent("a", b"old")).wait(60)
    assert record.state is RunState.SUCCEEDED
    young = uploads.keep(sent("a", b"young"))
    old = time.time() - KEPT_SECONDS - 10
    os.utime(uploads.folder / record.arguments["orders"]["upload"], (old, old))

    assert uploads.prune() == 1
    assert (uploads.folder / young["upload"]).exists()
    with pytest.raises(ArgumentsError, match="not kept any more, please give it again"):
        host.run(run, **record.arguments)


def test_an_isolated_run_reads_it(tmp_path: Path) -> None:
    script = """
        # /// script
        # [tool.livegraft]
        # isolation = "process"
        # ///
        from livegraft import Upload
        def run(orders: Upload): return orders.read_text()
        """
    with a_host(tmp_path, files={"apart.py": script}) as host:
        assert host.supervisor.run("apart", orders=sent("a", b"hello")).result == "hello"
