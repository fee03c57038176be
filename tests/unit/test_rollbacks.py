"""Rolling back a release: its scripts go back to what was live before, in one switch, until that is undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft import Supervisor
from livegraft.errors import ConflictError, LoadError, NotFoundError
from tests.support.host import Host, a_host

FILES = {
    "helper.py": "V = 1",
    "one.py": "import helper\ndef run(): return helper.V",
    "two.py": "import helper\ndef run(): return helper.V",
    "other.py": "def run(): return 1",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path, files=FILES) as host:
        yield host


def head(host: Host) -> str:
    return host.repository.git("rev-parse", "HEAD")


def results(supervisor: Supervisor) -> dict[str, object]:
    found = {}
    for name in supervisor.script_names:
        run = supervisor.run(name)
        run.wait(20)
        result = supervisor.find_run(run.id).result
        found[name] = result.value if result else None
    return found


def roll_back(host: Host, revision: str, reason: str = "") -> list[str]:
    plan = host.supervisor.roll_backs.roll_back(revision, actor="dana", reason=reason)
    return [each.script for each in plan.returns]


def test_every_script_of_a_release_goes_back_and_stays_until_that_is_undone(host: Host) -> None:
    host.take({"helper.py": "V = 2"}, "change the helper")
    changed = head(host)

    assert roll_back(host, changed[:8]) == ["one", "two"]
    assert results(host.supervisor) == {"one": 1, "two": 1, "other": 1}

    host.take({"helper.py": "V = 3", "other.py": "def run(): return 2"})
    assert results(host.supervisor) == {"one": 1, "two": 1, "other": 2}

    assert host.supervisor.roll_backs.undo(changed, actor="dana") == ["one", "two"]
    assert results(host.supervisor) == {"one": 3, "two": 3, "other": 2}


def test_a_release_that_is_rolled_back_is_not_rolled_back_again(host: Host) -> None:
    host.take({"helper.py": "V = 2"})
    roll_back(host, head(host))

    plan = host.supervisor.roll_backs.plan(head(host))

    assert (plan.returns, plan.remains) == ([], [])
    assert host.supervisor.roll_backs.pinned(plan.release) == ["one", "two"]
    with pytest.raises(ConflictError, match="it is already"):
        roll_back(host, head(host))


def test_it_can_be_rolled_back_again_after_it_was_undone(host: Host) -> None:
    host.take({"helper.py": "V = 2"})
    changed = head(host)
    roll_back(host, changed)
    host.supervisor.roll_backs.undo(changed, actor="dana")

    assert roll_back(host, changed) == ["one", "two"]
    assert results(host.supervisor)["one"] == 1


def test_what_a_roll_back_would_change_is_told_and_nothing_happens(host: Host) -> None:
    before, pinned = host.key("one"), host.key("two")
    host.supervisor.pin("two", key=pinned, actor="eve")
    host.repository.delete("other.py")
    host.take({"helper.py": "V = 2", "new.py": "import helper\ndef run(): ..."})
    now = host.key("one")

    plan = host.supervisor.roll_backs.plan(head(host))

    assert [(each.script, each.now, each.to.key) for each in plan.returns] == [("one", now, before)]
    assert {each.script: each.why for each in plan.remains} == {
        "new": "no version of it was live before; quarantine it to have it take no runs",
        "other": "it was removed: a commit brings it back",
    }
    assert host.key("one") == now


def test_a_script_that_somebody_pinned_meanwhile_stays_there(host: Host) -> None:
    host.take({"helper.py": "V = 2"})
    host.supervisor.pin("two", key=host.key("two"), actor="eve")

    plan = host.supervisor.roll_backs.plan(head(host))

    assert {each.script: each.why for each in plan.remains} == {"two": "it is pinned by eve"}
    assert roll_back(host, head(host)) == ["one"]
    host.supervisor.roll_backs.undo(head(host), actor="dana")
    assert host.supervisor.script("two").pin is not None


def test_a_release_goes_back_to_what_was_live_right_before_it(host: Host) -> None:
    host.take({"other.py": "def run(): return 2"})
    host.take({"helper.py": "V = 2"})
    host.take({"other.py": "def run(): return 3"})

    roll_back(host, head(host))

    assert results(host.supervisor) == {"one": 2, "two": 2, "other": 2}


def test_a_process_that_started_since_rolls_back_the_commit_and_not_its_start(host: Host, tmp_path: Path) -> None:
    host.take({"helper.py": "V = 2"})
    changed = head(host)
    host.supervisor.stop()

    settings = {"poll_seconds": 3600.0, "probe": False, "environments": False}
    with Supervisor(host.repository.path, data=tmp_path / "data", **settings) as again:  # type: ignore[arg-type]
        plan = again.roll_backs.roll_back(changed, actor="dana")
        assert [each.script for each in plan.returns] == ["one", "two"]
        assert plan.remains == []
        assert results(again) == {"one": 1, "two": 1, "other": 1}


def test_it_leaves_one_row_of_the_audit_and_the_undoing_one(host: Host) -> None:
    host.take({"helper.py": "V = 2"})
    roll_back(host, head(host), reason="wrong totals")
    host.supervisor.roll_backs.undo(head(host), actor="eve")

    rows = [(row.actor, row.action, row.subject, dict(row.detail)) for row in host.supervisor.audit()]

    scripts = {"scripts": ["one", "two"], "count": 2}
    assert rows == [
        ("eve", "undo roll back", head(host), scripts),
        ("dana", "roll back", head(host), {"reason": "wrong totals", **scripts}),
    ]


def test_the_pin_of_each_script_says_of_which_release(host: Host) -> None:
    host.take({"helper.py": "V = 2"})
    roll_back(host, head(host), reason="wrong totals")

    pin = host.supervisor.script("one").pin

    assert pin is not None
    assert (pin.actor, pin.reason) == ("dana", f"roll back of {head(host)[:8]}: wrong totals")


def test_where_one_version_does_not_load_any_more_nothing_is_changed(tmp_path: Path) -> None:
    loads = "import os\nif os.path.exists({!r}): raise OSError('gone')\ndef run(): return 1"
    fault = tmp_path / "fault"
    files = {"good.py": "def run(): return 1", "bad.py": loads.format(str(fault))}
    with a_host(tmp_path, files=files, drain_seconds=0.0) as host:
        old = host.key("bad")
        host.take({"good.py": "def run(): return 2", "bad.py": "def run(): return 2"})
        host.wait_for("bad", old, next(state for state in type(host.states("bad")[old]) if state == "unloaded"))
        fault.touch()

        with pytest.raises(LoadError, match="nothing was changed"):
            roll_back(host, head(host))

        assert results(host.supervisor) == {"bad": 2, "good": 2}
        assert host.supervisor.script("good").pin is None


def test_a_release_without_anything_to_go_back_to_is_refused(host: Host) -> None:
    with pytest.raises(ConflictError, match="nothing to go back to"):
        roll_back(host, head(host))
    with pytest.raises(NotFoundError):
        roll_back(host, "0123456789")
    with pytest.raises(ConflictError, match="it is not"):
        host.supervisor.roll_backs.undo(head(host), actor="dana")
