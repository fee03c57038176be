"""A real ``livegraft serve`` process, with a client of its API and a way to call its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.history import put_history
from tests.support.repository import Repository
from tests.support.waiting import eventually

TOKEN = "token-of-the-test-server-0123456789"


class Server:
    """A server process on a free port; it can be stopped, killed and started again on the same data."""

    def __init__(self, repository: Path, data: Path, *options: str) -> None:
        self.data = data
        put_history(data / "history.db")
        self._command = [sys.executable, "-m", "livegraft", "serve", str(repository), "--data", str(data)]
        self._command += ["--listen", "127.0.0.1:0", "--json", *options]
        # One for all calls, because making one takes long; no connection is kept, because the server may be killed.
        self._client = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=60)
        self.process: subprocess.Popen[str] | None = None
        self.url = self.link = ""

    def start(self) -> None:
        log = (self.data.parent / "server.log").open("a", encoding="utf-8")
        environment = {**os.environ, "LIVEGRAFT_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True, start_new_session=True
        )
        log.close()
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said, (self.data.parent / "server.log").read_text(encoding="utf-8")
        self.url, self.link = json.loads(said)["url"], json.loads(said)["link"]
        eventually(self._answers, what="the server answers")

    def kill(self) -> None:
        """End it as the kernel would, at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait_for_its_end()

    def wait_for_its_end(self) -> int:
        assert self.process is not None
        status = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def _answers(self) -> bool:
        try:
            return "status" in self.get("/health", allow_errors=True)
        except httpx.TransportError:
            return False

    def get(self, path: str, *, allow_errors: bool = False) -> Any:
        return self._call("GET", path, allow_errors)

    def post(self, path: str, body: Any = None, *, allow_errors: bool = False) -> Any:
        return self._call("POST", path, allow_errors, body)

    def text(self, path: str) -> str:
        return self._send("GET", path).text

    def scripts(self) -> dict[str, Any]:
        return {script["name"]: script for script in self.get("/scripts")["scripts"]}

    def run(self, script: str, **arguments: Any) -> Any:
        """Run a script to its end."""
        return self.post(f"/scripts/{script}/runs?wait=20", {"arguments": arguments})

    def sync(self) -> dict[str, str]:
        """Script -> outcome."""
        return {each["script"]: each["outcome"] for each in self.post("/sync")["scripts"]}

    def cli(self, *words: str, expect: int = 0) -> str:
        """A command of the command line against this server; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "livegraft", *words],
            env={**os.environ, "LIVEGRAFT_URL": self.url, "LIVEGRAFT_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _call(self, method: str, path: str, allow_errors: bool, body: Any = None) -> Any:
        answer = self._send(method, path, body)
        if not allow_errors:
            assert not answer.is_error, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self._client.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers)


@contextmanager
def a_server(repository: Path, folder: Path, *options: str) -> Iterator[Server]:
    """A server over a repository, started, and stopped at the end if it still runs."""
    server = Server(repository, folder / "data", *options)
    server.start()
    try:
        yield server
    finally:
        assert server.process is not None
        if server.process.poll() is None:
            server.stop()


@contextmanager
def a_server_of(files: Mapping[str, str], folder: Path) -> Iterator[Server]:
    """A server over a repository with one commit of these files."""
    repository = Repository.create(folder / "scripts")
    repository.commit_files(files)
    with a_server(repository.path, folder) as server:
        yield server
