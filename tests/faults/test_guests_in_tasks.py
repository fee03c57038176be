"""Badly behaved scripts on the event loop: the host survives all but those that are told to end it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.guests import Party, late, prompt

MODE = "task"


@pytest.mark.parametrize("name", prompt(MODE))
def test_a_guest_ends_as_told_and_harms_nobody(guests: Party, name: str) -> None:
    guests.assert_verdict(name)


@pytest.mark.parametrize("name", late(MODE))
def test_a_guest_that_never_ends_is_ended(guests: Party, late_runs: dict[str, dict[str, Any]], name: str) -> None:
    guests.assert_verdict(name, late_runs[name])
