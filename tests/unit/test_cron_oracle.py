"""Slots held against what Debian's cron would do minute by minute: a sample of ``make cron-oracle``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from livegraft.schedule import Schedule
from tests.support.cron_oracle import EXPRESSIONS, Window, compare, transitions
from tools.cron_oracle import slots

ZONES = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll"]


@pytest.mark.parametrize("zone", ZONES)
def test_slots_around_a_change_of_the_clocks_are_those_of_debian(zone: str) -> None:
    spring, autumn = transitions(zone, 2026, 2026)[:2]

    for around, lines in ((spring, EXPRESSIONS[::8]), (autumn, EXPRESSIONS[4::8])):
        count, differences = compare(zone, around, lines, slots)

        assert differences == []
        assert count > 100


def one_less(cron: str, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    return iter(list(slots(cron, zone, after, until))[1:])


def test_the_oracle_finds_a_slot_that_is_missing() -> None:
    around = transitions("Europe/Berlin", 2026, 2026)[0]

    _, found = compare("Europe/Berlin", around, ["0 * * * *"], one_less)

    assert [each.of_oracle for each in found] == [True]


def test_where_clocks_change_by_half_an_hour_no_slot_is_lost() -> None:
    begin, end = datetime(2026, 4, 4, 12, tzinfo=UTC), datetime(2026, 4, 6, tzinfo=UTC)

    for line in ("30 * * * *", "0 */12 * * *", "*/20 0 * * *"):
        expected = Window("Australia/Lord_Howe", begin, end).fires(line)
        assert list(Schedule(line, "Australia/Lord_Howe").between(begin, end)) == expected
