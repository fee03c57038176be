"""Decisions that hold in every process on a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from livegraft.clock import SystemClock
from livegraft.decisions import Decisions
from livegraft.store import RestraintKind, Store
from tests.support.history import a_history


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(a_history(tmp_path / "history.db")) as store:
        yield store


def test_what_others_decided_is_learnt_once_and_what_is_ones_own_is_nothing_new(store: Store) -> None:
    here, there = (Decisions(store=store, clock=SystemClock()) for _ in range(2))
    here.put(RestraintKind.PIN, "sums", actor="dana", reason="wrong", key="ab", revision="cd")
    here.put(RestraintKind.HOLD, "", actor="dana")

    assert here.learn() == {}
    assert there.learn() == {RestraintKind.PIN: {"sums"}, RestraintKind.HOLD: {""}}
    assert there.learn() == {}
    assert there.pins == here.pins

    there.lift(RestraintKind.PIN, "sums", actor="lee")
    assert there.learn() == {}
    assert here.learn() == {RestraintKind.PIN: {"sums"}}
    assert here.pins == {}


def test_what_concerns_processes_that_start_is_left_to_them(store: Store) -> None:
    here, there = (Decisions(store=store, clock=SystemClock()) for _ in range(2))
    here.put(RestraintKind.SAFE_MODE, "", actor="livegraft", reason="it died twice")

    assert there.learn() == {}
    assert there.safe_mode is None
