"""What tests share: the databases that a history can stand in, and the order of the files."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.places import Place, SqlitePlace, a_postgresql_place
from tests.support.postgresql import GivenServer, NoServerError, a_server

_WITHOUT = "without PostgreSQL"
HERE: Final = Path(__file__).parent
LONGEST: Final = (
    "faults/test_kill.py",
    "faults/test_crash.py",
    "faults/test_guests_in_threads.py",
    "faults/test_guests_in_processes.py",
    "faults/test_guests_in_tasks.py",
    "faults/test_probe.py",
    "unit/test_stubs.py",
    "hostile/test_hostile.py",
    "conformance/loading/test_unloading_hard.py",
    "conformance/loading/test_leaks.py",
    "conformance/loading/test_atomicity.py",
    "conformance/loading/test_unloading.py",
    "e2e/test_command_line.py",
    "e2e/test_remote_commands.py",
    "e2e/test_environments.py",
    "e2e/test_pages.py",
    "unit/test_crashes.py",
    "faults/test_hostile_runs.py",
    "unit/runner/test_output.py",
    "unit/test_isolation.py",
)
"""Files that take long, the longest first (``--durations`` tells which)."""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[GivenServer]:
    """A PostgreSQL server, one for each process that runs tests."""
    if address := os.environ.get("TEST_DATABASE_URL"):
        given = GivenServer(address)
        yield given
        given.tidy_up()
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


def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors: tests wait a good deal, for programs, disks and deadlines."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: else one process goes on alone with it when the others have ended."""
    if gone := [name for name in LONGEST if not (HERE / name).is_file()]:
        raise pytest.UsageError(f"expected the files that take long to be there, tests/conftest.py names: {gone}")
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


# A shell ignores SIGINT for what it starts in the background, and programs that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
