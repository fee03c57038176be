"""What tests share: the databases that a history can stand in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import Place, SqlitePlace, a_postgresql_place
from tests.support.postgresql import GivenServer, NoServerError, a_server

_WITHOUT = "without PostgreSQL"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[GivenServer]:
    """A PostgreSQL server, one for each process that runs tests."""
    if address := os.environ.get("TEST_DATABASE_URL"):
        yield GivenServer(address)
        return
    try:
        server = a_server()
        found = server.__enter__()
    except NoServerError as error:
        pytest.skip(f"{_WITHOUT}: {error}")
    try:
        yield found
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where an empty history of the newest schema is: a test that takes it is run with every database."""
    if request.param == "sqlite":
        yield SqlitePlace(tmp_path)
        return
    with a_postgresql_place(request.getfixturevalue("postgresql"), tmp_path) as found:
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if _WITHOUT in str(report.longrepr)]
    if skipped:
        terminalreporter.section("PostgreSQL", yellow=True)
        terminalreporter.line(
            f"WARNING: {len(skipped)} tests did not run {_WITHOUT}: install it (`make postgresql`), or set "
            "TEST_DATABASE_URL",
            yellow=True,
        )
