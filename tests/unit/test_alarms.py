"""One thread that rings for many."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from livegraft.alarms import Alarms
from livegraft.testing import FakeClock
from tests.support import eventually


class Bell:
    def __init__(self) -> None:
        self.clock = FakeClock(datetime(2024, 2, 29, tzinfo=UTC))
        self.rung: list[tuple[str, str]] = []
        self.wanted = True
        self.alarms = Alarms(clock=self.clock, ring=self.ring, is_wanted=lambda subject: self.wanted, name="bell")

    def ring(self, subject: str, name: str) -> None:
        self.rung.append((subject, name))
        if subject == "broken":
            raise LookupError(subject)


@pytest.fixture
def bell() -> Iterator[Bell]:
    bell = Bell()
    bell.alarms.start()
    yield bell
    bell.alarms.stop()


def test_rings_when_the_time_has_come_in_order_of_time(bell: Bell) -> None:
    bell.alarms.set(20, "b", "timeout")
    bell.alarms.set(10, "a", "timeout")
    bell.clock.until_waiting()
    bell.clock.advance(9)
    bell.clock.until_waiting()
    assert bell.rung == []

    bell.clock.advance(11)

    eventually(lambda: bell.rung == [("a", "timeout"), ("b", "timeout")])


def test_an_earlier_alarm_set_later_is_not_late(bell: Bell) -> None:
    bell.alarms.set(100, "late", "timeout")
    bell.clock.until_waiting()
    bell.alarms.set(1, "soon", "timeout")
    bell.clock.advance(1)

    eventually(lambda: bell.rung == [("soon", "timeout")])


def test_goes_on_when_one_fails(bell: Bell, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        bell.alarms.set(1, "broken", "timeout")
        bell.alarms.set(2, "next", "timeout")
        bell.clock.advance(2)
        eventually(lambda: len(bell.rung) == 2)

    assert "the alarm 'timeout' of broken failed" in caplog.text


def test_alarms_of_what_has_ended_do_not_pile_up() -> None:
    bell = Bell()  # not started: nothing rings
    bell.wanted = False

    for number in range(50_000):
        bell.alarms.set(3600, f"run {number}", "timeout")

    assert len(bell.alarms._heap) <= 10_000


def test_stopping_ends_its_thread_and_is_idempotent(bell: Bell) -> None:
    bell.alarms.stop()
    bell.alarms.stop()

    assert "bell" not in [thread.name for thread in threading.enumerate()]
