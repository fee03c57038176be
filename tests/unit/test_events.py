"""What happens, told to whoever listens."""

from __future__ import annotations

import pytest

from livegraft.events import CAPACITY, Events, Subscription


def heard(subscription: Subscription) -> list[str]:
    return [f"{event.name} {event.subject}" for event in iter(lambda: subscription.get(0), None)]


def test_a_listener_hears_what_happens_from_now_on() -> None:
    events = Events()
    events.emit("run", "before")
    listener = events.subscribe()
    events.emit("run", "after")

    assert heard(listener) == ["run after"]


def test_one_that_says_up_to_where_it_knows_hears_what_has_happened_since() -> None:
    events = Events()
    events.emit("run", "known")
    known = events.position
    events.emit("run", "missed")
    listener = events.subscribe(known)
    events.emit("run", "after")

    assert heard(listener) == ["run missed", "run after"]
    assert heard(events.subscribe(events.position)) == []


@pytest.mark.parametrize("position", ["nonsense", "0000-1", "-", "1"])
def test_what_is_not_known_any_more_is_said_to_be_missed(position: str) -> None:
    events = Events()
    begun = events.position
    events.emit("run", "one")
    assert heard(events.subscribe(position)) == ["missed "]

    for number in range(CAPACITY):
        events.emit("run", str(number))
    assert heard(events.subscribe(begun)) == ["missed "]


def test_who_is_told_hears_of_each_event() -> None:
    events = Events()
    told: list[int] = []
    events.subscribe(told=lambda: told.append(1))

    events.emit("run", "x")

    assert told == [1]
