"""Finding scripts: by words, tag, owner, schedule and state, of whatever is live at the moment."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.directory import Wanted
from tests.support.host import Host, a_host

BLOCK = """
# /// script
# [tool.livegraft]
# owner = "dana"
# tags = ["money"]
# ///
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    files = {
        "reports/daily.py": f'{BLOCK}"""Counts orders."""\ndef run(): ...\n',
        "reports/weekly.py": "# cron: @weekly\ndef run(): ...\n",
        "clean.py": "def run(): ...\n",
    }
    with a_host(tmp_path, files=files, tick=False) as host:
        yield host


def names(host: Host, **wanted: object) -> list[str]:
    return [entry.name for entry in host.supervisor.directory.find(Wanted(**wanted)).entries]  # type: ignore[arg-type]


def test_scripts_are_found_by_what_is_asked_for(host: Host) -> None:
    assert names(host) == ["clean", "reports/daily", "reports/weekly"]
    assert names(host, q="ORDERS reports") == ["reports/daily"]
    assert names(host, tag="money") == names(host, owner="dana") == ["reports/daily"]
    assert names(host, scheduled=True) == ["reports/weekly"]
    assert names(host, q="daily", scheduled=True) == []
    assert names(host, state="no such state") == []
    found = host.supervisor.directory.find()
    assert (found.tags, found.owners) == (["money"], ["dana"])


def test_what_changed_is_found_at_once_and_no_release_is_kept(host: Host) -> None:
    assert names(host, state="failing") == []
    before = weakref.ref(host.supervisor.release)

    host.take({"clean.py": "def run(:", "fresh.py": "def run(:", "more.py": "def run(): ..."})
    host.supervisor.quarantine("clean", reason="why", actor="dana")
    host.supervisor.pause("reports/weekly", actor="dana")

    assert names(host, state="failing") == ["clean", "fresh"]
    assert (names(host, state="quarantined"), names(host, state="paused")) == (["clean"], ["reports/weekly"])
    assert names(host) == ["clean", "fresh", "more", "reports/daily", "reports/weekly"]
    counts = host.supervisor.directory.find().counts
    assert counts == {"": 5, "failing": 2, "quarantined": 1, "paused": 1, "pinned": 0}
    gc.collect()
    assert before() is None

    host.supervisor.release_quarantine("clean", actor="dana")
    assert names(host, state="quarantined") == []
