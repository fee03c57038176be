"""``release="whole"``: a commit goes live only if all of it loads."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft import Supervisor
from livegraft.errors import ConfigurationError
from livegraft.store import Outcome, ReleaseState
from livegraft.version import VersionState
from tests.support.host import Host, a_host, outcomes
from tests.support.packages import a_package_folder
from tests.support.waiting import eventually

A = {
    "one.py": "import helper\ndef run(): return helper.V",
    "two.py": "# cron: 0 7 * * *\ndef run(): return 'two A'",
    "three.py": "def run(): return 'three A'",
    "helper.py": "V = 'one A'",
}
BROKEN = "1 / 0\ndef run(): return 'broken'"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path, files=A, release="whole") as host:
        yield host


def answers(supervisor: Supervisor) -> list[object]:
    return [getattr(supervisor.live, name).run() for name in ("one", "two", "three")]


LIVE_A = ["one A", "two A", "three A"]


def test_nothing_of_a_commit_with_a_failing_script_is_switched(host: Host) -> None:
    host.sync()
    keys = [host.key(name) for name in ("one", "two", "three")]

    done = host.take({"helper.py": "V = 'one B'", "two.py": BROKEN})

    assert answers(host.supervisor) == LIVE_A
    assert [host.key(name) for name in ("one", "two", "three")] == keys
    assert {name: each.outcome for name, each in done.items()} == {
        "one": Outcome.WITHHELD,
        "two": Outcome.FAILED,
        "three": Outcome.UNCHANGED,
    }
    assert [each.next_at for each in host.supervisor.script("two").schedules] != [None]


def test_the_release_is_recorded_as_refused_with_all_failures(host: Host) -> None:
    good = host.repository.git("rev-parse", "HEAD")
    host.repository.delete("three.py")
    host.take({"one.py": "import nowhere\ndef run(): ...", "two.py": BROKEN, "new.py": "def run(): ..."})

    refused, live = host.supervisor.releases()

    assert (refused.state, live.state, live.revision) == (ReleaseState.REFUSED, ReleaseState.LIVE, good)
    assert refused.error == "expected all of the commit to load, got: 2 failures"
    assert [(each.script, each.outcome.value) for each in refused.scripts] == [
        ("one", "failed"),
        ("two", "failed"),
        ("new", "withheld"),
        ("three", "withheld"),
    ]
    assert [each.failure.message for each in refused.scripts if each.failure] == [
        "ModuleNotFoundError: No module named 'nowhere'",
        "ZeroDivisionError: division by zero",
    ]
    health = host.supervisor.health()
    assert (health["status"], health["refused"], health["failed_scripts"]) == ("ok", refused.revision, 2)


def test_candidate_and_live_are_told_side_by_side(host: Host) -> None:
    bad = host.take({"helper.py": "V = 'one B'", "two.py": BROKEN}) and host.repository.git("rev-parse", "HEAD")

    one, two, three = (host.supervisor.script(name) for name in ("one", "two", "three"))

    assert [each.words for each in (one, two, three)] == ["live (older commit)", "live (older commit)", "live"]
    assert one.newer is not None
    assert one.version is not None
    assert (one.newer.revision, one.newer.error, one.error) == (bad, None, None)
    assert one.newer.key not in ("", one.version.key)
    assert two.newer is not None
    assert two.newer.error is two.error is not None
    assert three.newer is None


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_what_the_refused_commit_loaded_is_let_go(host: Host, no_collections: None) -> None:
    host.take({"helper.py": "V = 'one B'", "one.py": "import helper\ndef run(): return helper.V\n", "two.py": BROKEN})
    refused = host.supervisor.releases()[0]
    key = next(each.key for each in refused.scripts if each.script == "one")

    host.wait_for("one", key, VersionState.UNLOADED)
    eventually(lambda: "unloaded" in host.supervisor.releases()[0].steps, what="the steps tell it")
    assert VersionState.UNLOADED in host.states("helper").values()
    assert "live" not in host.supervisor.releases()[0].steps


def test_the_next_commit_is_tried_as_usual(host: Host) -> None:
    host.take({"helper.py": "V = 'one B'", "two.py": BROKEN})

    assert host.take({"three.py": "def run(): return 'three C'"})["two"].outcome is Outcome.FAILED
    assert answers(host.supervisor) == LIVE_A
    done = host.take({"two.py": "def run(): return 'two D'"})

    assert answers(host.supervisor) == ["one B", "two D", "three C"]
    assert {each.outcome for each in done.values()} == {Outcome.LOADED}
    assert host.supervisor.refusal is None
    assert [each.words for each in host.supervisor.scripts] == ["live"] * 3
    states = [each.state.value for each in host.supervisor.releases()]
    assert states == ["live", "refused", "refused", "superseded"]


def test_a_revert_to_the_live_commit_settles_it(host: Host) -> None:
    host.take({"two.py": BROKEN})

    done = host.take({"two.py": A["two.py"]})

    assert {each.outcome for each in done.values()} == {Outcome.UNCHANGED}
    assert host.supervisor.refusal is None
    assert answers(host.supervisor) == LIVE_A


def test_a_module_that_the_host_calls_counts_as_a_part_of_the_commit(host: Host) -> None:
    host.take({"pure.py": "V = 1"})
    assert host.live.pure.V == 1

    host.take({"pure.py": "raise ValueError('no')", "three.py": "def run(): return 'three B'"})

    assert answers(host.supervisor) == LIVE_A
    assert host.live.pure.V == 1
    refused = host.supervisor.releases()[0]
    assert [(each.script, each.outcome.value) for each in refused.scripts] == [
        ("pure", "failed"),
        ("three", "withheld"),
    ]
    assert [each.name for each in host.supervisor.scripts if each.error] == ["pure"]


def test_a_pin_takes_the_broken_script_out_of_the_commit(host: Host) -> None:
    host.take({"helper.py": "V = 'one B'", "two.py": BROKEN})

    host.supervisor.pin("two", key=host.key("two"), actor="dana")

    assert answers(host.supervisor) == ["one B", "two A", "three A"]
    assert [each.state.value for each in host.supervisor.releases()] == ["live", "superseded"]
    assert host.supervisor.refusal is None


def test_a_pin_of_another_script_applies_to_what_is_live(host: Host) -> None:
    first = host.key("three")
    host.take({"three.py": "def run(): return 'three B'"})
    host.take({"helper.py": "V = 'one C'", "two.py": BROKEN})

    host.supervisor.pin("three", key=first, actor="dana")
    assert answers(host.supervisor) == LIVE_A
    host.supervisor.unpin("three", actor="dana")

    assert answers(host.supervisor) == ["one A", "two A", "three B"]
    assert host.supervisor.refusal is not None


def test_a_held_repository_stays_at_its_release_when_the_refused_commit_could_go_live(tmp_path: Path) -> None:
    with (
        a_package_folder(tmp_path / "packages") as packages,
        a_host(tmp_path, files=A, release="whole") as host,
    ):
        needy = "# /// script\n# dependencies = ['plum']\n# ///\ndef run(): return 'two B'"
        host.take({"two.py": needy, "three.py": "def run(): return 'three B'"})
        host.supervisor.hold(actor="dana")
        packages.install("plum", "1.0")

        host.sync()
        assert answers(host.supervisor) == LIVE_A
        host.supervisor.let_go(actor="dana")
        host.sync()

        assert answers(host.supervisor) == ["one A", "two B", "three B"]
        assert [each.state.value for each in host.supervisor.releases()] == ["live", "superseded"]


def test_a_quarantined_script_counts_like_any_other(host: Host) -> None:
    host.supervisor.quarantine("two", reason="odd", actor="dana")

    host.take({"two.py": BROKEN, "three.py": "def run(): return 'three B'"})

    assert answers(host.supervisor) == LIVE_A


def test_a_start_on_a_refused_commit_begins_with_the_release_that_was_live(tmp_path: Path) -> None:
    with a_host(tmp_path, files=A, release="whole") as host:
        good = host.repository.git("rev-parse", "HEAD")
        host.take({"helper.py": "V = 'one B'", "two.py": BROKEN})

    with Supervisor(tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600, release="whole") as supervisor:
        assert answers(supervisor) == LIVE_A
        assert supervisor.sync_status.revision == good
        assert {script.version.revision for script in supervisor.scripts if script.version} == {good}
        assert supervisor.refusal is not None
        assert outcomes(supervisor.sync())["two"].outcome is Outcome.FAILED


def test_a_first_start_on_a_bad_commit_serves_nothing_and_says_so(tmp_path: Path) -> None:
    with a_host(tmp_path, files={**A, "two.py": BROKEN}, release="whole") as host:
        assert host.supervisor.release is None
        assert host.supervisor.health()["status"] == "degraded"
        assert [(each.name, each.words) for each in host.supervisor.scripts] == [("two", "failed")]
        assert host.supervisor.code("two") == BROKEN
        assert host.sync()["two"].outcome is Outcome.FAILED

        host.take({"two.py": A["two.py"]})
        assert answers(host.supervisor) == LIVE_A


def test_a_commit_that_was_live_once_is_live_again_after_a_restart_whatever_the_environment_lacks(
    tmp_path: Path,
) -> None:
    needy = "# /// script\n# dependencies = ['plum']\n# ///\ndef run(): return 'two'"
    with a_package_folder(tmp_path / "packages") as packages:
        packages.install("plum", "1.0")
        with a_host(tmp_path, files={**A, "two.py": needy}, release="whole") as host:
            assert len(host.supervisor.scripts) == 3
        packages.remove("plum")

        with Supervisor(
            tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600, release="whole", environments=False
        ) as again:
            assert again.live.one.run() == "one A"
            assert again.script("two").words == "failed"


def test_another_word_than_each_and_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected release to be one of each, whole, got: 'all'"):
        Supervisor(tmp_path, data=tmp_path / "data", release="all")
