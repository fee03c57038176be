"""The client of a server, before and beyond the server's good answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from livegraft.cli.client import Client
from livegraft.cli.failing import RefusedError, fail
from livegraft.errors import ConfigurationError, MirrorError
from tests.support.api import an_api


class Stranger(BaseHTTPRequestHandler):
    """A server that is not livegraft's: it answers each path with the status that the path ends with."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


class Faltering(BaseHTTPRequestHandler):
    """A server whose streams break: each answer has one event, the last one is ``end``, and then there is none."""

    EVENTS: ClassVar = {"": ("5", "output"), "5": ("9", "output"), "9": ("9", "end")}

    def do_GET(self) -> None:
        last = self.headers.get("Last-Event-ID", "")
        id, event = ("", "") if self.path.startswith("/api/v1/silent") else self.EVENTS[last]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"retry: 1000\n\n")
        if event:
            self.wfile.write(f'id: {id}\nevent: {event}\ndata: {{"after": "{last}"}}\n\n'.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def stranger() -> Iterator[str]:
    with serving(Stranger) as url:
        yield url


@pytest.fixture
def faltering() -> Iterator[str]:
    with serving(Faltering) as url:
        yield url


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIVEGRAFT_URL", raising=False)
    monkeypatch.delenv("LIVEGRAFT_TOKEN", raising=False)


def test_without_a_server_it_says_where_it_looked_and_what_to_do() -> None:
    with pytest.raises(
        RefusedError, match=r"http://127\.0\.0\.1:1, got: .*; start it, or check its address"
    ) as refused:
        Client("http://127.0.0.1:1", None).get("/scripts")
    assert refused.value.kind == "unreachable"


@pytest.mark.parametrize("status", [200, 302])
def test_another_server_is_not_taken_for_livegraft(stranger: str, status: int) -> None:
    with pytest.raises(RefusedError, match="something else answers there"):
        Client(stranger, None).get(f"/{status}")


def test_an_error_that_is_not_livegrafts_is_told_by_its_status(stranger: str) -> None:
    with pytest.raises(RefusedError, match=r"/404, it answered 404 .* path of the mount"):
        Client(stranger, None).get("/404")


def test_an_address_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="expected the address of a server"):
        Client("http://[::1", None)


def test_a_token_that_cannot_be_one_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Client(None, "tökén")
    assert "tökén" not in str(refused.value)


def test_the_token_of_a_server_started_in_this_folder_is_found(stranger: str, tmp_path: Path) -> None:
    (tmp_path / "livegraft-data").mkdir()
    (tmp_path / "livegraft-data" / "token").write_text("found-nearby\n")

    assert Client(stranger, None)._http.headers["Authorization"] == "Bearer found-nearby"


def test_all_scripts_are_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegraft.cli.client._SCRIPTS_AT_ONCE", 2)
    with an_api(tmp_path, {f"s{n}.py": "def run(): ..." for n in range(5)}) as api:
        client = Client(api.origin, api.access.token)
        with client._http:
            found = client.scripts()

    assert [each["name"] for each in found] == [f"s{n}" for n in range(5)]


def test_a_stream_that_breaks_is_taken_up_where_it_broke(faltering: str) -> None:
    found = list(Client(faltering, None).follow("/runs/1/output"))

    assert found == [("output", {"after": ""}), ("output", {"after": "5"}), ("end", {"after": "9"})]


def test_a_stream_that_breaks_and_brought_nothing_is_given_up(faltering: str) -> None:
    with pytest.raises(RefusedError) as refused:
        list(Client(faltering, None).follow("/silent"))
    assert refused.value.kind == "unreachable"


def test_an_error_of_many_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        fail(MirrorError("unreachable", "git fetch failed:\n  fatal: no route\n"))

    assert capsys.readouterr().err == "livegraft: git fetch failed: fatal: no route\n"
    assert ended.value.code == 5
