"""The first versions of very many, and how many there are of each state."""

from __future__ import annotations

from pathlib import Path

from livegraft import Supervisor
from livegraft.store import Outcome
from livegraft.version import VersionState
from tests.support.host import a_host

ORDER = [VersionState.FAILED, *(state for state in VersionState if state is not VersionState.FAILED)]


def test_the_first_versions_come_by_state_and_name_with_the_scripts_that_use_them(tmp_path: Path) -> None:
    files = {f"s{n}.py": "import shared\ndef run(): ..." for n in range(4)}
    with a_host(tmp_path, files={**files, "shared.py": "", "broken.py": "def run(: ..."}) as host:
        counts, first = host.supervisor.first_versions(ORDER, limit=3)
        _, live = host.supervisor.first_versions(ORDER, state="live", limit=2)

        whole = {(each.name, each.key): each for each in host.supervisor.versions()}

    assert sum(counts.values()) == len(whole)
    assert counts[VersionState.LIVE] == 5
    by_name = sorted(whole.values(), key=lambda each: (ORDER.index(each.state), each.name))
    assert first == by_name[:3]
    assert [each.name for each in live] == ["s0", "s1"]
    assert next(each for each in whole.values() if each.name == "shared").scripts == ("s0", "s1", "s2", "s3")


def test_a_restart_at_the_live_commit_leaves_when_its_versions_went_live(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"s.py": "def run(): ...", "t.py": "def run(): ..."}) as host:
        before = {name: host.supervisor.script_versions(name) for name in ("s", "t")}

    with Supervisor(tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600) as supervisor:
        assert {name: supervisor.script_versions(name) for name in ("s", "t")} == before


def test_a_restart_at_the_live_commit_is_a_release_that_changed_nothing_but_what_loads_now(tmp_path: Path) -> None:
    (tmp_path / "lacking").touch()
    lacking = f"import os\nassert not os.path.exists({str(tmp_path / 'lacking')!r})\ndef run(): ..."
    with a_host(tmp_path, files={"s.py": "def run(): ...", "t.py": "def run(): ...", "lacks.py": lacking}) as host:
        first = host.supervisor.releases()[0]
        assert sorted(each.script for each in first.scripts) == ["lacks", "s", "t"]
    (tmp_path / "lacking").unlink()

    with Supervisor(tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600) as supervisor:
        again = supervisor.releases()[0]
        assert again.id != first.id
        assert [(each.script, each.outcome) for each in again.scripts] == [("lacks", Outcome.LOADED)]
        assert again.unchanged == 2


def test_what_comes_back_after_a_restart_is_the_newest_again(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"s.py": "def run(): return 1"}) as host:
        first = host.key("s")
        host.take({"s.py": "def run(): return 2"})
    host.repository.commit_files({"s.py": "def run(): return 1"})

    with Supervisor(tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600) as supervisor:
        assert supervisor.script_versions("s")[0].key == first
