"""Badly behaved scripts in threads of the host: it survives all but those that are told to end it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.guests import Party, fatal, late, party, prompt

MODE = "thread"


@pytest.mark.parametrize("name", prompt(MODE))
def test_a_guest_ends_as_told_and_harms_nobody(guests: Party, name: str) -> None:
    guests.assert_verdict(name)


@pytest.mark.parametrize("name", late(MODE))
def test_a_guest_that_never_ends_is_ended(guests: Party, late_runs: dict[str, dict[str, Any]], name: str) -> None:
    guests.assert_verdict(name, late_runs[name])


def test_a_guest_that_ends_the_host_is_lost_and_the_next_host_goes_on(tmp_path: Path) -> None:
    """One of them; ``test_crash.py`` has all, in both modes, with a parent that starts the server again."""
    name = fatal(MODE)[0]
    for guests in party(MODE, tmp_path, only=name):
        guests.assert_ends_the_host(name)
