"""Shared data as hosts and scripts use it: values, bounds, expiry, atomic changes, updates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

import livegraft
from livegraft import ABSENT, SharedData
from livegraft.errors import BusyError, ConfigurationError, ConflictError, StoreError
from livegraft.shared_data import (
    KEY_COUNT,
    NAME_COUNT,
    UPDATE_SECONDS,
    VALUE_BYTES,
    WAIT_SECONDS,
    SharedDataError,
    SharedSpace,
)
from livegraft.testing import FakeClock
from tests.support.shared import a_fake_clock, a_space

MINUTE = timedelta(minutes=1)


class Colour(IntEnum):
    RED = 1


@pytest.fixture
def clock() -> FakeClock:
    return a_fake_clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def shared(file: Path, clock: FakeClock) -> Iterator[SharedSpace]:
    with a_space(file, clock) as space:
        yield space


@pytest.fixture
def data(shared: SharedSpace) -> SharedData:
    return shared("counters")


class TestAsAMapping:
    def test_what_is_kept_is_read_again_by_its_key(self, data: SharedData) -> None:
        data["seen"] = 5
        data["last"] = {"order": 17, "tags": ["new", None, True, 1.5]}

        assert data["seen"] == 5
        assert data["last"] == {"order": 17, "tags": ["new", None, True, 1.5]}
        assert (data.get("other", 0), "seen" in data, "other" in data) == (0, True, False)
        assert (list(data), len(data)) == (["last", "seen"], 2)
        assert data.copy() == {"seen": 5, "last": {"order": 17, "tags": ["new", None, True, 1.5]}}

    def test_a_key_that_is_not_there_is_a_key_error(self, data: SharedData) -> None:
        with pytest.raises(KeyError, match="seen"):
            data["seen"]
        with pytest.raises(KeyError, match="seen"):
            del data["seen"]

    def test_keys_are_deleted_one_by_one_or_all(self, data: SharedData, shared: SharedSpace) -> None:
        data["a"], data["b"], data["c"] = 1, 2, 3
        shared("others")["a"] = 7

        del data["a"]
        assert list(data) == ["b", "c"]
        data.clear()
        assert (list(data), len(data)) == ([], 0)
        assert [each.name for each in shared.names()] == ["others"]

    def test_what_is_read_is_a_copy(self, data: SharedData) -> None:
        given = {"orders": [1]}
        data["state"] = given
        given["orders"].append(2)
        data["state"]["orders"].append(3)

        assert data["state"] == {"orders": [1]}

    def test_the_same_name_is_the_same_data(self, shared: SharedSpace) -> None:
        shared("reports/daily.sums")["a"] = 1

        assert shared("reports/daily.sums")["a"] == 1
        assert shared("reports/daily")._space is shared
        assert "a" not in shared("reports/daily")

    def test_names_are_listed_with_their_size_and_last_change(self, shared: SharedSpace, clock: FakeClock) -> None:
        shared("b")["text"] = "äöü"
        clock.advance(60)
        shared("a")["n"] = 10
        shared("a")["m"] = 7
        shared("a")["m"] = 1234

        listed = [(each.name, each.key_count, each.byte_count, each.changed_at) for each in shared.names()]

        assert listed == [("a", 2, 6, clock.now()), ("b", 1, 8, clock.now() - MINUTE)]

    def test_a_closed_history_says_so(self, file: Path) -> None:
        with a_space(file) as space:
            data = space("counters")
        for use in (lambda: data["a"], lambda: data.add("a"), lambda: len(data)):
            with pytest.raises(StoreError, match="it is closed"):
                use()


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (object(), "got: object$"),
            (Colour.RED, "got: Colour$"),
            ((1, 2), "got: tuple$"),
            (b"x", "got: bytes$"),
            ({"prices": [1, Decimal(2)]}, r"got: Decimal at \['prices'\]\[1\]"),
            ({1: 2}, "keys of dicts in shared data to be str, got: int"),
            ([float("nan")], r"finite, got: nan at \[0\]"),
            (float("inf"), "finite, got: inf"),
            (1 << 63, "fit 64 bits; keep it as str"),
            ("\ud800", "Unicode"),
            ({"\ud800": 1}, "Unicode"),
            ("x" * VALUE_BYTES, f"at most {VALUE_BYTES} bytes as JSON, got: {VALUE_BYTES + 2}"),
        ],
        ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
    )
    def test_a_value_that_is_not_plain_or_too_large(self, data: SharedData, value: Any, reason: str) -> None:
        for keep in (
            lambda: data.__setitem__("k", value),
            lambda: data.compare_and_set("k", ABSENT, value),
            lambda: data.compare_and_set("k", value, 1),
        ):
            with pytest.raises(SharedDataError, match=reason):
                keep()
        with pytest.raises(SharedDataError, match=reason), data.update() as draft:
            draft["k"] = value
        assert len(data) == 0

    def test_a_value_that_contains_itself(self, data: SharedData) -> None:
        value: list[Any] = []
        value.append(value)

        with pytest.raises(SharedDataError, match="not to contain itself"):
            data["k"] = value

    @pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\x1b[31m", "\ud800", 7, None], ids=repr)
    def test_a_key_that_cannot_be_one(self, data: SharedData, key: Any) -> None:
        for use in (
            lambda: data.put(key, 1),
            lambda: data.get(key),
            lambda: data.add(key),
            lambda: data.__delitem__(key),
            lambda: key in data,
        ):
            with pytest.raises(SharedDataError, match="1 to 200 printable characters"):
                use()

    @pytest.mark.parametrize("name", ["", "a b", "../a", "a//b", "/a", "a/", ".a", "a\n", "ä", "x" * 101, 7], ids=repr)
    def test_a_name_that_cannot_be_one(self, shared: SharedSpace, name: Any) -> None:
        with pytest.raises(SharedDataError, match="expected the name of shared data to be letters"):
            shared(name)

    @pytest.mark.parametrize("expires_in", [timedelta(0), -MINUTE, timedelta.max, 60, "60"], ids=repr)
    def test_an_expiry_that_is_no_time_to_come(self, data: SharedData, expires_in: Any) -> None:
        with pytest.raises(SharedDataError, match="expected expires_in to be a timedelta above zero"):
            data.put("k", 1, expires_in=expires_in)

    def test_more_keys_than_a_name_may_have(self, data: SharedData, monkeypatch: pytest.MonkeyPatch) -> None:
        assert KEY_COUNT == 10_000
        monkeypatch.setattr("livegraft.shared_data.KEY_COUNT", 20)
        with data.update() as draft:
            for n in range(20):
                draft[f"k{n}"] = n

        with pytest.raises(BusyError, match="at most 20 keys"):
            data["one more"] = 1
        with pytest.raises(BusyError, match="at most 20 keys"):
            data.add("one more")
        data["k1"] = "replaced"
        with data.update() as draft:
            draft["one more"] = 1
            del draft["k2"]
        assert len(data) == 20

    def test_more_names_than_a_store_may_have(self, shared: SharedSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        assert NAME_COUNT == 1_000
        monkeypatch.setattr("livegraft.shared_data.NAME_COUNT", 3)
        for n in range(3):
            shared(f"name{n}")["k"] = n

        with pytest.raises(BusyError, match="at most 3 names"):
            shared("one-more")["k"] = 1
        with pytest.raises(BusyError, match="at most 3 names"), shared("one-more").update():
            pass
        shared("name1").clear()
        shared("one-more")["k"] = 1
        assert [each.name for each in shared.names()] == ["name0", "name2", "one-more"]

    def test_shared_data_outside_of_a_script_can_be_named_and_not_be_used(self) -> None:
        data = livegraft.shared("counters")

        for use in (lambda: data["a"], lambda: data.add("a"), lambda: list(data), lambda: len(data)):
            with pytest.raises(ConfigurationError, match=r"hosts call supervisor.shared\(name\)"):
                use()


class TestExpiry:
    def test_an_expired_key_is_gone_at_once(self, shared: SharedSpace, clock: FakeClock) -> None:
        data = shared("cache")
        data.put("short", 1, expires_in=MINUTE)
        data.put("long", 2, expires_in=2 * MINUTE)
        clock.advance(59.999)
        assert data.copy() == {"short": 1, "long": 2}

        clock.advance(0.001)

        assert (data.get("short"), "short" in data, list(data), len(data)) == (None, False, ["long"], 1)
        assert [(each.key_count, each.byte_count) for each in shared.names()] == [(1, 1)]
        clock.advance(MINUTE)
        assert (data.copy(), shared.names()) == ({}, [])

    def test_keeping_a_value_anew_says_anew_when_it_expires(self, data: SharedData, clock: FakeClock) -> None:
        data.put("k", 1, expires_in=MINUTE)
        data["k"] = 2
        clock.advance(2 * MINUTE)

        assert data["k"] == 2

    def test_adding_keeps_the_expiry_that_the_first_add_gave(self, data: SharedData, clock: FakeClock) -> None:
        assert data.add("calls", expires_in=MINUTE) == 1
        clock.advance(30)
        assert data.add("calls", expires_in=MINUTE) == 2
        clock.advance(30)
        assert data.add("calls", expires_in=MINUTE) == 1

    def test_what_expired_makes_room(self, data: SharedData, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("livegraft.shared_data.KEY_COUNT", 2)
        data.put("a", 1, expires_in=MINUTE)
        data["b"] = 2
        clock.advance(MINUTE)

        data["c"] = 3

        assert list(data) == ["b", "c"]

    def test_names_of_which_all_expired_make_room(
        self, shared: SharedSpace, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("livegraft.shared_data.NAME_COUNT", 2)
        shared("a").put("k", 1, expires_in=MINUTE)
        shared("b")["k"] = 2
        clock.advance(MINUTE)

        shared("c")["k"] = 3

        assert [each.name for each in shared.names()] == ["b", "c"]


class TestAtomicChanges:
    def test_adding_starts_from_zero_and_returns_the_sum(self, data: SharedData) -> None:
        assert [data.add("n"), data.add("n", 5), data.add("n", -2), data.add("n", 0.5)] == [1, 6, 4, 4.5]
        assert data["n"] == 4.5

    def test_only_numbers_are_added(self, data: SharedData) -> None:
        data["text"] = "x"
        with pytest.raises(
            SharedDataError, match="expected 'text' of shared data 'counters' to hold a number, got: str"
        ):
            data.add("text")
        with pytest.raises(SharedDataError, match="expected an amount to add to be int or float, got: bool"):
            data.add("n", True)
        data["most"] = (1 << 63) - 1
        with pytest.raises(SharedDataError, match="fit 64 bits"):
            data.add("most")
        assert data["most"] == (1 << 63) - 1

    def test_threads_that_add_at_once_lose_nothing(self, data: SharedData) -> None:
        threads = [threading.Thread(target=lambda: [data.add("n") for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert data["n"] == 200

    def test_a_value_is_set_only_if_it_is_the_expected_one(self, data: SharedData) -> None:
        assert data.compare_and_set("owner", ABSENT, "dana")
        assert not data.compare_and_set("owner", ABSENT, "kim")
        assert not data.compare_and_set("owner", "kim", "lee")
        assert data["owner"] == "dana"
        assert data.compare_and_set("owner", "dana", None)
        assert data["owner"] is None
        assert data.compare_and_set("owner", None, ABSENT)
        assert "owner" not in data
        assert data.compare_and_set("owner", ABSENT, ABSENT)

    def test_values_are_compared_as_json(self, data: SharedData) -> None:
        data["k"] = {"a": 1, "b": 2}

        assert data.compare_and_set("k", {"b": 2, "a": 1}, 1)
        assert not data.compare_and_set("k", True, 2)
        assert not data.compare_and_set("k", 1.0, 2)

    def test_a_value_that_was_set_can_expire(self, data: SharedData, clock: FakeClock) -> None:
        assert data.compare_and_set("lease", ABSENT, "dana", expires_in=MINUTE)
        clock.advance(MINUTE)
        assert data.compare_and_set("lease", ABSENT, "kim")


class TestUpdates:
    def test_all_changes_are_kept_together(self, data: SharedData) -> None:
        data["a"], data["b"], data["gone"], data["list"] = 10, 0, 1, [1]

        with data.update() as draft:
            draft["a"] -= 3
            draft["b"] += 3
            draft["list"].append(2)
            del draft["gone"]
            draft["new"] = "x"
            assert (draft["a"], sorted(draft), len(draft), "gone" in draft) == (7, ["a", "b", "list", "new"], 4, False)
            assert data.copy() == {"a": 10, "b": 0, "gone": 1, "list": [1]}

        assert data.copy() == {"a": 7, "b": 3, "list": [1, 2], "new": "x"}

    def test_an_exception_leaves_nothing(self, data: SharedData) -> None:
        data["a"] = 1

        def fail() -> None:
            with data.update() as draft:
                draft["a"] = 2
                draft["b"] = 3
                raise ValueError("no stock")

        with pytest.raises(ValueError, match="no stock"):
            fail()
        assert data.copy() == {"a": 1}
        assert data.add("a") == 2  # nobody holds it

    def test_a_value_that_was_changed_into_one_that_cannot_be_kept_leaves_nothing(self, data: SharedData) -> None:
        data["list"] = [1]

        def spoil() -> None:
            with data.update() as draft:
                draft["other"] = 1
                draft["list"].append(object())

        with pytest.raises(SharedDataError, match="got: object"):
            spoil()
        assert data.copy() == {"list": [1]}

    def test_a_draft_has_an_expiry_of_its_own_or_keeps_that_of_before(self, data: SharedData, clock: FakeClock) -> None:
        data.put("list", [1], expires_in=MINUTE)
        with data.update() as draft:
            draft["list"].append(2)
            draft.put("lease", 1, expires_in=2 * MINUTE)
        assert data.copy() == {"list": [1, 2], "lease": 1}

        clock.advance(MINUTE)
        assert data.copy() == {"lease": 1}
        clock.advance(MINUTE)
        assert data.copy() == {}

    def test_everything_can_be_replaced(self, data: SharedData) -> None:
        data["a"], data["b"] = 1, 2
        with data.update() as draft:
            draft.clear()
            draft.update(c=3)

        assert data.copy() == {"c": 3}

    def test_an_update_that_changes_nothing_leaves_no_name(self, shared: SharedSpace) -> None:
        with shared("empty").update() as draft:
            assert dict(draft) == {}

        assert shared.names() == []
        with shared.changing("empty") as rows:
            assert rows.is_new

    def test_a_draft_ends_with_its_block(self, data: SharedData) -> None:
        with data.update() as draft:
            draft["a"] = 1

        with pytest.raises(SharedDataError, match="it has ended"):
            draft["b"] = 2

    def test_other_changes_inside_an_update_are_refused_at_once(self, shared: SharedSpace) -> None:
        data, other = shared("a"), shared("b")
        with data.update() as draft:
            draft["k"] = 1
            with pytest.raises(ConflictError, match="change the draft"):
                data.add("k")
            with pytest.raises(ConflictError, match="change the draft"), data.update():
                pass
            other["k"] = 2

        assert (data.copy(), other.copy()) == ({"k": 1}, {"k": 2})

    def test_others_wait_for_an_update_and_then_see_it_whole(self, file: Path) -> None:
        with a_space(file) as mine, a_space(file) as theirs:
            data = mine("a")
            data["n"] = 1
            added: list[int] = []
            adder = threading.Thread(target=lambda: added.append(theirs("a").add("n", 10)))
            with data.update() as draft:
                adder.start()
                draft["n"] = 2
                adder.join(0.1)
                assert (added, data["n"]) == ([], 1)
            adder.join(10)

            assert added == [12]

    def test_who_waits_for_too_long_is_told_what_for(self, data: SharedData, clock: FakeClock) -> None:
        refused: list[BusyError] = []

        def add() -> None:
            try:
                data.add("n")
            except BusyError as error:
                refused.append(error)

        adder = threading.Thread(target=add)
        with data.update() as draft:
            draft["n"] = 2
            adder.start()
            clock.until_waiting()
            clock.advance(WAIT_SECONDS)
            adder.join(10)

        assert "expected shared data 'counters' to be free within 10 s" in str(refused[0])
        assert data["n"] == 2

    def test_an_update_that_takes_too_long_lets_go_and_leaves_nothing(self, data: SharedData, clock: FakeClock) -> None:
        data["n"] = 1
        adder = threading.Thread(target=lambda: data.add("n", 10))

        def dawdle() -> None:
            with data.update() as draft:
                draft["n"] = 2
                clock.advance(UPDATE_SECONDS)
                adder.start()
                adder.join(10)
                assert data["n"] == 11

        with pytest.raises(ConflictError, match="take less than 30 s"):
            dawdle()
        assert data["n"] == 11
