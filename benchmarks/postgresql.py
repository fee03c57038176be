"""Figures of runs with a history in PostgreSQL, beside a SQLite file. Its server waits for the disk, as it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, median, told
from benchmarks.repositories import commit_one, repository_of
from benchmarks.runs import many_at_once, one_after_the_other
from livegraft import Supervisor
from tests.support.postgresql import NoServerError, a_server

SINGLE = 200
MANY = 2_000


def measure(folder: Path) -> Iterator[Figure]:
    repository = repository_of(folder / "repository", 1)
    commit_one(repository, "clock.py", "import time\ndef run() -> float:\n    return time.perf_counter()\n")
    commit_one(repository, "nothing.py", "def run() -> None:\n    return None\n")
    try:
        with a_server(durable=True) as server:
            for database, store in (("SQLite", ""), ("PostgreSQL", server.address(server.make_history()))):
                data = folder / database
                with (
                    told(database),
                    Supervisor(repository.path, data=data, store=store, poll_seconds=600) as supervisor,
                ):
                    _, whole = one_after_the_other(supervisor, "clock", SINGLE)
                    yield Figure(f"recorded runs one after the other, {database}, p50", median(whole), "ms")
                    yield Figure(f"recorded runs, {database}", many_at_once(supervisor, "nothing", MANY), "per s")
    except NoServerError as error:
        print(f"not measured: {error}")
