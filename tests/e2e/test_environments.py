"""Scripts that need packages which the host does not have: real environments, made by uv from local wheels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.catalog import ScriptStatus
from livegraft.errors import ArgumentsError, ConfigurationError, NotLiveError
from livegraft.isolation.uv import KEPT_SECONDS
from livegraft.run import RunState
from livegraft.store import Outcome
from livegraft.supervisor import Supervisor
from tests.support import eventually
from tests.support.host import Host, a_host
from tests.support.package_index import a_package_index
from tests.support.packages import a_package_folder
from tests.support.wheels import Wheels

BLOCK = '# /// script\n# dependencies = ["{0}"]\n# ///\n'
USES_PLUM = f"{BLOCK.replace('{0}', 'plum>=1')}import plum, sys\ndef run(): return [plum.VERSION, sys.prefix]\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def wheels(tmp_path: Path) -> Wheels:
    return Wheels(tmp_path / "wheels")


@pytest.fixture
def host(tmp_path: Path, wheels: Wheels) -> Iterator[Host]:
    with a_host(tmp_path, environments=True, package_index=str(wheels.folder)) as host:
        yield host


def settled(host: Host, name: str) -> ScriptStatus:
    """How a script is when its environment is there, or cannot be made."""

    def is_settled() -> bool:
        error = host.supervisor.script(name).error
        return error is None or error.failure.type != "environment_pending"

    eventually(is_settled, what=f"the environment of {name} is made or refused")
    return host.supervisor.script(name)


def environments(host: Host) -> list[str]:
    return sorted(each.name for each in (host.supervisor.data / "environments").glob("[0-9a-f]*"))


def test_a_script_gets_the_packages_that_it_asks_for_and_the_host_does_not_have(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0", requires=["pear"])
    wheels.add("pear", "3.1")
    files = {
        "needs.py": f"{BLOCK.replace('{0}', 'plum>=1')}import os, plum, pear\nfrom rates import RATE\n"
        "def run(n: int = 1): return [plum.VERSION, pear.VERSION, n + RATE, os.getpid()]\n",
        "rates.py": "RATE = 10\n",
    }
    host.take(files)
    status = settled(host, "needs")

    assert status.error is None
    assert status.parameters["properties"]["n"] == {"type": "integer", "default": 1}
    assert "plum>=1: not installed" in status.isolated
    plum, pear, number, pid = host.supervisor.run("needs", n=2).result
    assert (plum, pear, number) == ("1.0", "3.1", 12)
    assert pid != os.getpid()


def test_the_old_version_serves_and_other_commits_go_live_while_an_environment_is_made(
    tmp_path: Path, wheels: Wheels
) -> None:
    wheels.add("plum", "1.0")
    with (
        a_package_index(wheels.folder) as index,
        a_host(tmp_path, environments=True, package_index=index.address) as host,
    ):
        index.stalled = "plum-1.0-py3-none-any.whl"
        host.take({"grows.py": "def run(): return 'old'\n", "other.py": "def run(): return 1\n"})
        outcome = host.take({"grows.py": USES_PLUM, "other.py": "def run(): return 2\n"})["grows"]
        assert index.is_asked.wait(60)

        assert outcome.outcome is Outcome.PREPARING
        assert host.supervisor.run("other").result == 2
        host.take({"other.py": "def run(): return 3\n"})
        assert host.supervisor.run("other").result == 3
        status = host.supervisor.script("grows")
        assert status.is_preparing
        assert not status.has_failed
        assert host.supervisor.run("grows").result == "old"

        index.go_on.set()
        assert settled(host, "grows").error is None
        assert host.supervisor.run("grows").result[0] == "1.0"


def test_what_cannot_be_resolved_blocks_its_script_alone_in_the_words_of_the_resolver(
    host: Host, wheels: Wheels
) -> None:
    wheels.add("plum", "1.0")
    files = {"asks.py": BLOCK.replace("{0}", "plum>=7") + "def run(): ...\n", "fine.py": USES_PLUM}
    host.take(files)

    error = settled(host, "asks").error
    assert error is not None
    assert (error.failure.path, error.failure.line) == ("asks.py", 2)
    assert "only plum==1.0 is available and you require plum>=7" in error.failure.message
    assert settled(host, "fine").error is None


def test_an_import_that_fails_in_its_environment_is_told_with_its_place(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    host.take({"breaks.py": USES_PLUM.replace("import plum, sys", "import plum, sys\nplum.NOTHING")})

    error = settled(host, "breaks").error
    assert error is not None
    assert "AttributeError" in error.failure.message
    assert (error.failure.path, error.failure.line) == ("breaks.py", 5)


def test_scripts_that_come_to_the_same_packages_share_an_environment(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    wheels.add("pear", "1.0")
    host.take({"one.py": USES_PLUM, "two.py": USES_PLUM.replace("plum>=1", "plum<2"), "three.py": USES_PLUM})
    prefixes = {host.supervisor.run(name).result[1] for name in ("one", "two", "three") if settled(host, name)}

    assert len(prefixes) == 1
    host.take({"four.py": USES_PLUM.replace('"plum>=1"', '"plum", "pear"')})
    settled(host, "four")
    assert host.supervisor.run("four").result[1] not in prefixes
    assert len(environments(host)) == 2


def test_what_was_locked_once_stays_when_the_index_has_more(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    host.take({"one.py": USES_PLUM})
    settled(host, "one")
    wheels.add("plum", "1.5")
    host.take({"two.py": USES_PLUM})
    settled(host, "two")

    assert host.supervisor.run("two").result[0] == "1.0"


def test_a_package_that_differs_from_what_was_locked_is_not_installed(
    tmp_path: Path, wheels: Wheels, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels.add("plum", "1.0")
    with a_host(tmp_path / "a", environments=True, package_index=str(wheels.folder)) as host:
        host.take({"one.py": USES_PLUM})
        settled(host, "one")
        [key] = environments(host)
    data = tmp_path / "a" / "data"
    shutil.rmtree(data / "environments" / key)
    wheels.add("plum", "1.0", modules={"plum.py": "VERSION = 'evil'\n"})
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another cache"))
    settings = {"data": data, "probe": False, "poll_seconds": 3600.0, "package_index": str(wheels.folder)}
    with Supervisor(host.repository.path, **settings) as supervisor:  # type: ignore[arg-type]
        error = settled(Host(host.repository, supervisor), "one").error
    assert error is not None
    assert "Hash mismatch" in error.failure.message


def test_a_restart_finds_what_was_made_and_serves_at_once(tmp_path: Path, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    with a_host(tmp_path, environments=True, package_index=str(wheels.folder)) as host:
        host.take({"one.py": USES_PLUM})
        settled(host, "one")
    settings = {"data": tmp_path / "data", "probe": False, "poll_seconds": 3600.0, "package_index": str(wheels.folder)}
    with Supervisor(host.repository.path, **settings) as supervisor:  # type: ignore[arg-type]
        assert supervisor.script("one").error is None
        assert supervisor.run("one").result[0] == "1.0"


def test_where_the_host_has_what_is_asked_for_the_script_runs_in_it(host: Host, wheels: Wheels, tmp_path: Path) -> None:
    with a_package_folder(tmp_path / "site") as packages:
        packages.install("quince", "2.0")
        body = "import os, quince\ndef run(): return [quince.VERSION, os.getpid()]\n"
        host.take({"inside.py": BLOCK.replace("{0}", "quince>=1") + body})

        assert host.supervisor.script("inside").isolated == ""
        assert host.supervisor.run("inside").result == ["2.0", os.getpid()]
    assert environments(host) == []


def test_what_the_host_provides_cannot_come_to_another_environment(tmp_path: Path, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    with a_host(tmp_path, environments=True, package_index=str(wheels.folder), provide={"db": object()}) as host:
        host.take({"wants.py": BLOCK.replace("{0}", "plum") + "def run(db): ...\n"})
        error = settled(host, "wants").error
    assert error is not None
    assert "asks for db of the host and needs an environment of its own" in error.failure.message


def test_arguments_are_checked_by_name_here_and_by_type_where_they_are_used(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    host.take({"takes.py": BLOCK.replace("{0}", "plum") + "def run(count: int): return count\n"})
    settled(host, "takes")

    with pytest.raises(ArgumentsError, match=r"did you mean 'count'\?; count: expected a value"):
        host.supervisor.run("takes", coutn=1)
    assert host.supervisor.run("takes", count="4").result == 4
    failed = host.supervisor.run("takes", count="four").wait(60)
    assert failed.state is RunState.FAILED
    assert failed.failure is not None
    assert "valid integer" in failed.failure.message


def test_the_host_cannot_call_what_is_not_in_its_process(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    host.take({"away.py": USES_PLUM})
    settled(host, "away")

    with pytest.raises(NotLiveError, match="in an environment of its own: plum>=1: not installed"):
        _ = host.live.away


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ('# dependencies = ["plum"]\n# requires-python = ">=3.99"', "needs Python >=3.99"),
        ('# dependencies = ["plum @ https://127.0.0.1/plum-1.0-py3-none-any.whl"]', "come from the index alone"),
        ('# dependencies = ["plum"]', "Wheels are required for `plum`"),
    ],
)
def test_what_the_policy_does_not_allow_is_refused(host: Host, wheels: Wheels, block: str, says: str) -> None:
    (wheels.folder / "plum-1.0.tar.gz").write_bytes(b"to be built")
    host.take({"asks.py": f"# /// script\n{block}\n# ///\ndef run(): ...\n"})
    error = settled(host, "asks").error

    assert error is not None
    assert says in error.failure.message
    assert environments(host) == []


def test_an_environment_goes_when_no_script_used_it_for_long(host: Host, wheels: Wheels) -> None:
    wheels.add("plum", "1.0")
    wheels.add("pear", "1.0")
    host.take({"one.py": USES_PLUM, "two.py": USES_PLUM.replace('"plum>=1"', '"plum", "pear"')})
    settled(host, "one")
    settled(host, "two")
    kept = Path(host.supervisor.run("one").result[1])
    host.remove("two.py")
    host.supervisor._processes.stop()  # as if its zygote had gone long ago
    for each in environments(host):
        os.utime(host.supervisor.data / "environments" / each, (0, KEPT_SECONDS))

    assert len(host.supervisor._environments.prune(host.supervisor._environments_in_use())) == 1
    assert environments(host) == [kept.name]


def test_an_index_that_cannot_be_one_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected package_index to be an address"):
        Supervisor(tmp_path, data=tmp_path / "data", package_index="ftp://user:secret@somewhere")
