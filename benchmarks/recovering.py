"""Figures of recovery: how long until a host that a script killed answers again, on the last good release."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.figures import Figure, median, told
from tests.support import Repository, eventually
from tests.support.server import Server, a_server

TIMES = 5
SCRIPTS = 100


def measure(folder: Path) -> Iterator[Figure]:
    with told("recovery"):
        took = [seconds_until_back(folder / str(number)) for number in range(TIMES)]
    yield Figure("a script kills the supervised host, until the last good release answers, p50", median(took), "s", 10)
    yield Figure("the same, longest", max(took), "s", 10)


def seconds_until_back(folder: Path) -> float:
    repository = Repository.create(folder / "repository")
    repository.commit_files({f"good{n}.py": f"def run(): return {n}\n" for n in range(SCRIPTS)})
    with a_server(repository.path, folder, "--supervised", "--poll", "3600") as server:
        eventually(lambda: server.get("/health")["status"] == "ok")
        repository.commit_files({"killer.py": f"import os\ndef run(): os.kill(os.getpid(), {signal.SIGKILL:d})\n"})
        server.sync()
        began = time.monotonic()
        with contextlib.suppress(httpx.TransportError):
            server.run("killer")
        eventually(lambda: is_back(server))
        return time.monotonic() - began


def is_back(server: Server) -> bool:
    try:
        return bool(server.run("good1")["result"] == 1 and "killer" not in server.scripts())
    except (httpx.HTTPError, AssertionError):
        return False
