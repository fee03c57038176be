"""Undoers that an installed package brings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.version import VersionState
from tests.support.host import a_host

PACKAGE = """
LISTENERS = []

def take_off(leaving):
    for each in [each for each in LISTENERS if leaving.owns(each)]:
        LISTENERS.remove(each)
        leaving.tell(each, f"LISTENERS: {each.__qualname__} taken off")

def break_down(leaving):
    raise ValueError("no sound")
"""
POINTS = """
[livegraft.undoers]
a_broken_one = bell:break_down
bell = bell:take_off
cracked = bell:nothing_of_this_name
"""
LISTENS = "import bell\ndef hear(): ...\nbell.LISTENERS.append(hear)\ndef run(): ..."


@pytest.fixture
def bell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with three undoers: one raises, and one is not there."""
    site = tmp_path / "site"
    described = site / "bell-1.0.dist-info"
    described.mkdir(parents=True)
    (site / "bell.py").write_text(PACKAGE)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: bell\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("bell", None)


@pytest.mark.usefixtures("bell")
def test_the_undoer_of_a_package_takes_back_and_those_that_do_not_work_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with a_host(tmp_path, files={"s.py": LISTENS}) as host:
        key = host.key("s")
        host.take({"s.py": "def run(): ..."})

        assert host.wait_for("s", key, VersionState.UNLOADED).undone == ("LISTENERS: hear taken off",)
    assert "undoer break_down failed: ValueError: no sound" in caplog.text
    assert "undoer cracked cannot be loaded: AttributeError" in caplog.text
