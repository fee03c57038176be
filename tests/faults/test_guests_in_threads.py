"""Badly behaved scripts in threads of the host: it survives all but those that are told to end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.guests import HOST_DIES, LATE, Party, names_in, party

MODE = "thread"
PROMPT = names_in(MODE, lambda state: state not in LATE and state != HOST_DIES)
FATAL = names_in(MODE, lambda state: state == HOST_DIES)
TOO_LATE = names_in(MODE, lambda state: state in LATE)


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    yield from party(MODE, tmp_path_factory.mktemp(MODE))


@pytest.fixture(scope="module")
def late_runs(guests: Party) -> dict[str, dict[str, Any]]:
    """Those that never end, at once: each takes seconds to be ended."""
    return guests.run_at_once(TOO_LATE)


@pytest.mark.parametrize("name", PROMPT)
def test_a_guest_ends_as_told_and_harms_nobody(guests: Party, name: str) -> None:
    guests.assert_verdict(name)


@pytest.mark.parametrize("name", TOO_LATE)
def test_a_guest_that_never_ends_is_ended(guests: Party, late_runs: dict[str, dict[str, Any]], name: str) -> None:
    guests.assert_verdict(name, late_runs[name])


@pytest.mark.parametrize("name", FATAL)
def test_a_guest_that_ends_the_host_is_lost_and_the_next_host_goes_on(tmp_path: Path, name: str) -> None:
    for guests in party(MODE, tmp_path, only=name):
        guests.assert_ends_the_host(name)
