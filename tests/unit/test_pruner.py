"""Sources of versions that left stay for a while, then they go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livegraft import pruner
from livegraft.pruner import KEPT_SECONDS, Pruner


def put(folder: Path, key: str, *, age_seconds: float = 0.0, data: str = "") -> Path:
    file = folder / key / "s.py"
    file.parent.mkdir(parents=True)
    file.write_text("def run(): ...\n")
    if data:
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / data).write_text("1")
        os.link(folder / "data" / data, file.with_name("prices.csv"))
        os.utime(folder / "data" / data, (0, 0))
    os.utime(file.parent, (file.stat().st_mtime - age_seconds,) * 2)
    return file


def test_old_sources_go_with_their_data_and_young_ones_stay(tmp_path: Path) -> None:
    old = put(tmp_path, "a" * 20, age_seconds=KEPT_SECONDS + 60, data="1" * 40)
    young = put(tmp_path, "b" * 20, age_seconds=KEPT_SECONDS - 60, data="2" * 40)
    (tmp_path / "origins").write_text("a list of commits")

    assert Pruner(folder=tmp_path, loaded=lambda: ()).prune() == 1

    assert not old.parent.exists()
    assert young.exists()
    assert sorted(os.listdir(tmp_path)) == ["b" * 20, "data", "origins"]
    assert os.listdir(tmp_path / "data") == ["2" * 40]


def test_what_is_loaded_stays_however_old_it_is_and_counts_as_used(tmp_path: Path) -> None:
    file = put(tmp_path, "a" * 20, age_seconds=10 * KEPT_SECONDS)

    assert Pruner(folder=tmp_path, loaded=lambda: ["a" * 20, "c" * 20]).prune() == 0
    assert Pruner(folder=tmp_path, loaded=lambda: ()).prune() == 0

    assert file.exists()


def test_the_newest_stay_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruner, "KEPT_KEYS", 2)
    for age, digit in enumerate("abcd"):
        put(tmp_path, digit * 20, age_seconds=age)

    assert Pruner(folder=tmp_path, loaded=lambda: ()).prune() == 2

    assert sorted(os.listdir(tmp_path)) == ["a" * 20, "b" * 20]
