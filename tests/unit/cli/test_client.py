"""The client of a server, before and beyond the server's good answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from livegraft.cli.client import Client
from livegraft.cli.failing import RefusedError
from livegraft.errors import ConfigurationError


class Stranger(BaseHTTPRequestHandler):
    """A server that is not livegraft's: it answers each path with the status that the path ends with."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIVEGRAFT_URL", raising=False)
    monkeypatch.delenv("LIVEGRAFT_TOKEN", raising=False)


def test_without_a_server_it_says_where_it_looked_and_how_to_name_another() -> None:
    with pytest.raises(RefusedError, match=r"http://127\.0\.0\.1:1, got: .*--url") as refused:
        Client("http://127.0.0.1:1", None).get("/scripts")
    assert refused.value.kind == "unreachable"


@pytest.mark.parametrize("status", [200, 302])
def test_another_server_is_not_taken_for_livegraft(stranger: str, status: int) -> None:
    with pytest.raises(RefusedError, match="something else answers there"):
        Client(stranger, None).get(f"/{status}")


def test_an_error_that_is_not_livegrafts_is_told_by_its_status(stranger: str) -> None:
    with pytest.raises(RefusedError, match="the server answered 404"):
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
