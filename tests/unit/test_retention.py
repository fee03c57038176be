"""How much of the history is kept: what a header and a host may say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from livegraft.errors import ConfigurationError, HeaderError
from livegraft.header import Keep, read_header
from livegraft.retention import DEFAULT, KeepPolicy, read_policy
from tests.support.host import a_host


def header(keep: str) -> str:
    return f"# /// script\n# [tool.livegraft]\n# keep = {keep}\n# ///\ndef run(): ...\n"


def test_a_header_may_keep_less_than_the_host_and_not_more() -> None:
    asked = read_header("a.py", header('{ age = "2d", size = "20MB", runs = 50000 }')).keep

    assert asked == Keep(timedelta(days=2), 50_000, 20_000_000)
    assert asked.within(DEFAULT) == Keep(timedelta(days=2), 10_000, 20_000_000)
    assert Keep().within(DEFAULT) == DEFAULT


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ("7", "expected a table with some of age, runs, size"),
        ("{}", "expected a table with some of age, runs, size"),
        ("{ days = 7 }", "expected a table with some of age, runs, size, got: 'days'"),
        ("{ runs = 0 }", "runs: expected a whole number from 1"),
        ('{ age = "1s" }', "age: expected an age of a minute or more"),
        ('{ size = "lots" }', "size: expected an amount"),
    ],
)
def test_a_header_that_says_something_else_is_refused(keep: str, says: str) -> None:
    with pytest.raises(HeaderError, match=says):
        read_header("a.py", header(keep))


def test_a_host_says_what_differs_from_the_defaults() -> None:
    policy = read_policy({"age": "3650d", "releases": 100, "audit": "30d"})

    assert policy == KeepPolicy(Keep(timedelta(days=3650), 10_000, 1 << 30), 100, timedelta(days=30))
    assert read_policy({}) == KeepPolicy()


def test_a_host_that_says_something_else_is_told() -> None:
    with pytest.raises(ConfigurationError, match="keep: expected a table with some of age, runs, size, got: 'rows'"):
        read_policy({"rows": 1})
    with pytest.raises(ConfigurationError, match="keep: expected a whole number from 100"):
        read_policy({"releases": 3})


def test_the_history_of_a_live_script_is_trimmed_as_its_header_says(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"noisy.py": header("{ runs = 2 }"), "quiet.py": "def run(): ...\n"}) as host:
        for script in ("noisy", "quiet"):
            for _ in range(4):
                host.supervisor.run(script).wait(60)

        assert host.supervisor._trimmer.trim().runs == 2

        assert len(host.supervisor.find_runs(script="noisy")) == 2
        assert len(host.supervisor.find_runs(script="quiet")) == 4
