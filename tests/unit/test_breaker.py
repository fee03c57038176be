"""A script that fails again and again is taken out of service, and comes back with a fix or by a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livegraft import process
from livegraft.errors import ConfigurationError, NotRunnableError
from livegraft.run import RunState, new_run_id
from livegraft.run_handle import Run
from tests.support.host import Host, a_host
from tests.support.waiting import eventually

FAILS = "# cron: 0 7 * * *\ndef run(ok: bool = False):\n    if not ok:\n        raise ValueError('no stock')\n"
WAITS = (
    "import time\nfrom livegraft import cancelled\ndef run():\n    while not cancelled():\n        time.sleep(0.01)\n"
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path, files={"a.py": FAILS, "b.py": WAITS}, breaker_failures=3) as host:
        yield host


def fail(host: Host, times: int, *, ok: bool = False) -> None:
    for _ in range(times):
        host.supervisor.run("a", ok=ok).wait(60)


def cancel_once_it_runs(run: Run) -> None:
    eventually(lambda: run.state is RunState.RUNNING, what="it runs")
    run.cancel()


def is_quarantined(host: Host) -> bool:
    return host.supervisor.script("a").quarantine is not None


def test_the_failures_in_a_row_that_are_allowed_quarantine_a_script_and_say_why(host: Host) -> None:
    events = host.supervisor.events.subscribe()
    fail(host, 2)
    assert not is_quarantined(host)
    fail(host, 1)

    quarantine = host.supervisor.script("a").quarantine
    assert quarantine is not None
    assert quarantine.actor == "livegraft"
    assert quarantine.reason == "3 runs in a row failed, the last with ValueError: no stock"
    with pytest.raises(NotRunnableError, match="quarantined by livegraft: 3 runs in a row"):
        host.supervisor.run("a")
    [row] = [row for row in host.supervisor.audit() if row.action == "quarantine"]
    assert (row.actor, row.subject) == ("livegraft", "a")
    eventually(lambda: (event := events.get(5)) is not None and event.data.get("quarantined"), what="it is told")


def test_a_success_between_starts_the_count_anew(host: Host) -> None:
    fail(host, 2)
    fail(host, 1, ok=True)
    fail(host, 2)

    assert not is_quarantined(host)


def test_the_retries_of_a_run_count_as_one_with_it(host: Host) -> None:
    header = "# /// script\n# [tool.livegraft]\n# retries = { times = 4, delay = 0 }\n# ///\n"
    host.take({"a.py": header + FAILS})
    first = host.supervisor.run("a")

    eventually(lambda: [run.attempt for run in host.supervisor.repeats(first.id) if run.ended_at] == [2, 3, 4, 5])

    assert not is_quarantined(host)
    fail(host, 2)
    eventually(lambda: is_quarantined(host), what="three runs have failed")


def test_runs_that_were_lost_with_their_process_do_not_count(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"a.py": FAILS}, breaker_failures=3) as host:
        run = host.supervisor.run("a", ok=True)
        run.wait(60)
        dead = f"1:2:{process.identity().rpartition(':')[2]}"
        for _ in range(4):
            lost = replace(run.record, id=new_run_id(), state=RunState.RUNNING, process=dead, ended_at=None)
            host.supervisor.store.runs.add(lost)

    with a_host(tmp_path, files={"a.py": FAILS}, breaker_failures=3) as host:
        assert len(host.supervisor.find_runs(states=[RunState.LOST])) == 4
        fail(host, 1)
        assert not is_quarantined(host)


def test_cancelled_runs_do_not_count(host: Host) -> None:
    for _ in range(4):
        run = host.supervisor.run("b")
        cancel_once_it_runs(run)
        assert run.wait(60).state is RunState.CANCELLED

    assert host.supervisor.script("b").quarantine is None


def test_a_release_by_a_person_starts_the_count_anew(host: Host) -> None:
    fail(host, 3)
    host.supervisor.release_quarantine("a", actor="dana")

    fail(host, 2)
    assert not is_quarantined(host)
    fail(host, 1)
    assert is_quarantined(host)


def test_another_version_that_goes_live_lifts_it_and_the_audit_says_so(host: Host) -> None:
    fail(host, 3)
    host.take({"a.py": f"{FAILS}# mended\n"})

    assert not is_quarantined(host)
    [row] = [row for row in host.supervisor.audit() if row.action == "lift quarantine"]
    assert (row.actor, row.subject) == ("livegraft", "a")
    assert row.detail == {"reason": f"its version {host.key('a')[:8]} is live"}
    fail(host, 2)
    assert not is_quarantined(host)


def test_a_commit_that_does_not_touch_it_lifts_nothing(host: Host) -> None:
    fail(host, 3)
    host.take({"b.py": f"{WAITS}# other\n"})

    assert is_quarantined(host)


def test_a_quarantine_by_a_person_stays_whatever_is_committed(host: Host) -> None:
    host.supervisor.quarantine("a", reason="odd", actor="dana")
    host.take({"a.py": f"{FAILS}# mended\n"})

    assert is_quarantined(host)


def test_the_count_survives_a_restart(tmp_path: Path) -> None:
    settings = {"breaker_failures": 3, "data": tmp_path / "data"}
    with a_host(tmp_path / "one", files={"a.py": FAILS}, **settings) as host:
        fail(host, 2)
    with a_host(tmp_path / "two", files={"a.py": FAILS}, accept_rewritten=True, **settings) as host:
        fail(host, 1)
        assert is_quarantined(host)


def test_zero_turns_it_off(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"a.py": FAILS}, breaker_failures=0) as host:
        fail(host, 6)
        assert not is_quarantined(host)


def test_a_number_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="breaker_failures"), a_host(tmp_path, breaker_failures=-1):
        pass
