"""Cases 10, 11, 13, 14 and 15: a bad commit never replaces good code."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import pytest

from livegraft import Supervisor
from livegraft.run import RunFailure
from livegraft.store import Outcome, ScriptOutcome
from tests.support.host import Host, a_host
from tests.support.modules import module_with

GOOD = "def run(): return 'good'"


def failure(outcome: ScriptOutcome) -> RunFailure:
    assert outcome.outcome is Outcome.FAILED
    assert outcome.failure is not None
    return outcome.failure


def live_names() -> set[str]:
    return {name for name in sys.modules if name.startswith("livegraft.live.")}


@pytest.mark.parametrize("broken", ["s.py", "helpers/util.py"])
def test_case_10_a_syntax_error_in_any_reached_file_leaves_the_live_code(host: Host, broken: str) -> None:
    good = {
        "s.py": "import helpers.util\ndef run(): return helpers.util.who()",
        "helpers/util.py": "def who(): return 1",
    }
    host.take(good)
    names = live_names()

    outcome = host.take({broken: "x = 1\ndef run(:\n    return 2\n"})["s"]

    assert host.live.s.run() == 1
    assert (failure(outcome).path, failure(outcome).line) == (broken, 2)
    error = host.supervisor.script("s").error
    assert error is not None
    assert error.revision == host.repository.git("rev-parse", "HEAD")
    assert error.author == "Dana Author"
    assert live_names() == names


def test_case_10_a_function_level_import_of_a_broken_file_counts_too(host: Host) -> None:
    host.take({"s.py": "def run():\n    import late\n    return late.V", "late.py": "V = 1"})

    outcome = host.take({"late.py": "V = = 2"})["s"]

    assert failure(outcome).path == "late.py"
    assert host.live.s.run() == 1


def test_case_11_a_helper_that_raises_half_way_leaves_nothing_behind(host: Host) -> None:
    host.take({"s.py": "import helpers.a, helpers.b\ndef run(): return 'A'", "helpers/a.py": "", "helpers/b.py": ""})
    names, threads = live_names(), threading.active_count()
    handlers = list(logging.getLogger().handlers)

    outcome = host.take(
        {"helpers/a.py": "import logging\nlog = logging.getLogger(__name__)\n", "helpers/b.py": "x = 1\n1 / 0\n"}
    )["s"]

    assert host.live.s.run() == "A"
    assert (failure(outcome).path, failure(outcome).line) == ("helpers/b.py", 2)
    assert "ZeroDivisionError" in failure(outcome).message
    host.supervisor._drainer.look()
    assert live_names() == names
    assert threading.active_count() == threads
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("while True: pass", "did not end within 1.5 s (import_seconds)"),
        ("import threading\nthreading.Event().wait(20)", "did not end within 1.5 s (import_seconds)"),
    ],
    ids=["endless loop", "blocked"],
)
@pytest.mark.parametrize("probe", [True, False], ids=["probed", "in the host"])
def test_case_13_an_import_that_never_returns_is_given_up(tmp_path: Path, body: str, says: str, probe: bool) -> None:
    with a_host(tmp_path, import_seconds=1.5, probe=probe) as host:
        host.take({"s.py": GOOD, "other.py": GOOD})

        done = host.take({"s.py": f"X = 1\n{body}\ndef run(): return 'never'", "other.py": "def run(): return 'new'"})

        assert says in failure(done["s"]).message
        assert failure(done["s"]).path == "s.py"
        assert failure(done["s"]).line >= 2
        assert host.live.s.run() == "good"
        assert host.live.other.run() == "new"
        assert host.take({"s.py": "def run(): return 'mended'"})["s"].outcome is Outcome.LOADED
        assert host.live.s.run() == "mended"


FAILING_TRACES = ["1 / 0", "'no function'"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("value", FAILING_TRACES, ids=["raises", "returns a text"])
def test_a_trace_function_that_fails_in_each_new_thread_does_not_keep_later_commits_out(host: Host, value: str) -> None:
    host.take({"s.py": f"import threading\nthreading.settrace(lambda *about: {value})\ndef run(): return 'bad'"})
    try:
        assert host.take({"s.py": GOOD})["s"].outcome is Outcome.LOADED
        assert host.live.s.run() == "good"
        assert threading.gettrace() is None
    finally:
        threading.settrace(None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("value", FAILING_TRACES, ids=["raises", "returns a text"])
def test_nor_does_it_beside_an_import_that_was_given_up_and_waits(tmp_path: Path, value: str) -> None:
    with a_host(tmp_path, import_seconds=1.5, probe=False) as host:
        given_up = host.take({"s.py": "import threading\nthreading.Event().wait(20)\ndef run(): return 'never'"})
        assert "did not end within 1.5 s (import_seconds)" in failure(given_up["s"]).message
        host.take({"s.py": f"import threading\nthreading.settrace(lambda *about: {value})\ndef run(): return 'bad'"})
        try:
            assert host.take({"s.py": GOOD})["s"].outcome is Outcome.LOADED
        finally:
            threading.settrace(None)


@pytest.mark.parametrize(
    "statement",
    [
        "import sys; sys.exit(3)",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "raise BaseException('base')",
        "raise RecursionError",
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
    ],
)
def test_case_14_whatever_is_raised_at_import_the_host_lives(host: Host, statement: str) -> None:
    host.take({"s.py": GOOD})

    outcome = host.take({"s.py": f"{statement}\ndef run(): return 'bad'"})["s"]

    assert failure(outcome).path == "s.py"
    assert host.live.s.run() == "good"


@pytest.mark.parametrize(
    "statement", ["import os; os._exit(0)", "import ctypes; ctypes.string_at(0)", "import os; os.abort()"]
)
def test_case_14_what_would_end_the_process_ends_its_probe(probed_host: Host, statement: str) -> None:
    probed_host.take({"s.py": GOOD})

    outcome = probed_host.take({"s.py": f"X = 1\n{statement}\ndef run(): return 'bad'"})["s"]

    assert (failure(outcome).path, failure(outcome).line) == ("s.py", 2)
    assert probed_host.live.s.run() == "good"
    assert probed_host.take({"s.py": "def run(): return 'mended'"})["s"].outcome is Outcome.LOADED


def test_case_15_the_commit_that_mends_it_loads_without_a_restart(host: Host) -> None:
    host.take({"s.py": GOOD, "helper.py": "V = 1"})
    host.take({"s.py": "import helper\ndef run(): return helper.V", "helper.py": "raise ImportError('not yet')"})

    done = host.take({"helper.py": "V = 2"})

    assert done["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == 2
    assert host.supervisor.script("s").error is None


def test_a_failed_key_is_not_tried_again_and_does_not_block_the_next_commit(tmp_path: Path) -> None:
    marks: list[str] = []
    with a_host(tmp_path) as host, module_with("marks_of_the_test", MARKS=marks):
        host.take({"s.py": "from marks_of_the_test import MARKS\nMARKS.append('tried')\n1 / 0\ndef run(): ..."})

        done = host.take({"other.py": GOOD})

        assert marks == ["tried"]
        assert done["other"].outcome is Outcome.LOADED
        assert done["s"].outcome is Outcome.FAILED


def test_failures_of_keys_that_are_gone_are_forgotten(host: Host) -> None:
    for n in range(5):
        host.take({"s.py": f"1 / 0  # {n}\ndef run(): ..."})
    assert len(host.states("s")) == 1

    host.take({"s.py": GOOD})
    assert len(host.states("s")) == 1


def test_the_last_good_version_serves_after_a_restart_too(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        host.take({"s.py": GOOD})
        host.take({"s.py": "1 / 0\ndef run(): return 'bad'"})

    with Supervisor(tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600) as supervisor:
        assert supervisor.live.s.run() == "good"
        assert supervisor.script("s").error is not None


def test_a_module_that_the_host_calls_fails_where_people_see_it(host: Host) -> None:
    host.take({"lib.py": "def rate(): return 1", "a.py": GOOD})
    assert host.live.lib.rate() == 1

    told = host.take({"lib.py": "def rate(: return 2"})
    assert failure(told["lib"]).line == 1
    assert host.live.lib.rate() == 1
    assert host.supervisor.script("lib").error is not None

    again = host.take({"a.py": "def run(): return 'better'"})
    assert again["lib"].outcome is Outcome.FAILED
    releases = host.supervisor.releases(limit=1)
    assert [outcome.script for outcome in releases[0].scripts] == ["a"]

    mended = host.take({"lib.py": "def rate(): return 3"})
    assert mended["lib"].outcome is Outcome.LOADED
    assert host.live.lib.rate() == 3
    assert [status.name for status in host.supervisor.scripts] == ["a"]


def test_a_failed_module_that_leaves_the_repository_is_no_failure_any_more(host: Host) -> None:
    host.take({"lib.py": "def rate(): return 1", "a.py": GOOD})
    assert host.live.lib.rate() == 1
    host.take({"lib.py": "def rate(: return 2"})

    host.remove("lib.py")

    assert [status.name for status in host.supervisor.scripts] == ["a"]
    assert host.supervisor.health()["failed_scripts"] == 0


def test_what_code_says_when_it_fails_is_one_line_of_the_log(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        host.take({"s.py": "raise ValueError('no\\n2026-01-01 INFO all is \\x1b[32mwell')\ndef run(): ..."})

    [told] = [record.getMessage() for record in caplog.records if "did not load" in record.getMessage()]
    assert told.endswith(r"no\n2026-01-01 INFO all is \x1b[32mwell")
