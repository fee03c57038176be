"""Case 16: what a commit asks of the environment is there, or is refused; what needs a restart says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.run import RunFailure
from livegraft.store import Outcome, ReleaseState, ScriptOutcome
from tests.support.host import Host, a_host
from tests.support.packages import Packages, a_package_folder
from tests.support.waiting import eventually

PYTHON = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[Packages]:
    with a_package_folder(tmp_path / "packages") as packages:
        packages.install("grape", "13.7.1")
        yield packages


def script(*dependencies: str, python: str = "", body: str = "def run(): return 'new'") -> dict[str, str]:
    asked = [f'#   "{each}",' for each in dependencies]
    lines = ["# /// script", "# dependencies = [", *asked, "# ]", *([f"# requires-python = '{python}'"] * bool(python))]
    return {"s.py": "\n".join([*lines, "# ///", body])}


def failure(outcome: ScriptOutcome) -> RunFailure:
    assert outcome.outcome is Outcome.FAILED
    assert outcome.failure is not None
    return outcome.failure


def test_a_block_that_the_environment_satisfies_loads_in_the_process(host: Host, packages: Packages) -> None:
    packages.install("plum", "1.0rc1")
    done = host.take(
        script(
            "grape >=13,<14",
            "Plum",
            "absent; python_version < '3'",
            python=">=3.11",
            body="import grape\ndef run(): return grape.VERSION",
        )
    )

    assert done["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "13.7.1"


def test_case_16_a_block_that_the_environment_lacks_is_refused_and_the_old_version_stays(
    host: Host, packages: Packages
) -> None:
    host.take({"s.py": "def run(): return 'old'"})

    refused = failure(host.take(script("grape", "plum>=1", "grape>=99", python=">=3.99"))["s"])

    assert refused.type == "dependencies"
    assert refused.message == (
        "plum>=1: not installed; grape>=99: installed is 13.7.1; "
        f"needs Python >=3.99, this is {PYTHON}; install it into the environment of the host"
    )
    assert (refused.path, refused.line) == ("s.py", 4)
    error = host.supervisor.script("s").error
    assert error is not None
    assert (error.revision, error.author) == (host.repository.git("rev-parse", "HEAD"), "Dana Author")
    assert host.live.s.run() == "old"


def test_case_16_what_no_package_mends_comes_without_the_advice_to_install_one(host: Host, packages: Packages) -> None:
    refused = failure(host.take(script("grape", python=">=3.99"))["s"])

    assert refused.message == f"needs Python >=3.99, this is {PYTHON}"


def test_case_16_a_version_that_another_one_in_the_process_keeps_away_needs_a_restart(
    host: Host, packages: Packages
) -> None:
    host.take(script("grape<14", body="import grape\ndef run(): return grape.VERSION"))

    packages.install("grape", "14.0")
    refused = failure(host.take(script("grape>=14"))["s"])

    assert refused.type == "restart_needed"
    assert refused.message == "restart needed: grape 13.7.1 is loaded, 14.0 is installed"
    assert refused.line == 3
    assert host.live.s.run() == "13.7.1"


def test_a_version_that_is_upgraded_before_anything_imported_it_needs_no_restart(
    host: Host, packages: Packages
) -> None:
    host.take({"s.py": "def run(): return 'old'"})

    packages.install("grape", "14.0")
    done = host.take(script("grape>=14", body="import grape\ndef run(): return grape.VERSION"))

    assert done["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "14.0"


def test_what_is_loaded_counts_while_another_version_is_on_disk(host: Host, packages: Packages) -> None:
    host.take(script("grape", body="import grape\ndef run(): return grape.VERSION"))

    packages.install("grape", "14.0")
    done = host.take(script("grape<14", body="import grape\ndef run(): return 'still ' + grape.VERSION"))

    assert done["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "still 13.7.1"


def test_a_package_that_is_installed_later_lets_the_script_load_at_the_next_sync(
    host: Host, packages: Packages
) -> None:
    refused = host.take(script("plum", body="import plum\ndef run(): return plum.VERSION"))
    assert refused["s"].outcome is Outcome.FAILED
    assert host.sync()["s"].outcome is Outcome.FAILED

    packages.install("plum", "1.2")
    done = host.sync()

    assert done["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "1.2"
    assert [known.key for known in host.supervisor.script_versions("s")] == [host.key("s")]
    release = host.supervisor.releases()[0]
    assert (release.state, [each.outcome for each in release.scripts]) == (ReleaseState.LIVE, [Outcome.LOADED])


def test_an_extra_asks_for_what_it_brings(host: Host, packages: Packages) -> None:
    needs = ["seed>=2; extra == 'full'", "stone; extra == 'full' and python_version < '3'", "never; extra == 'other'"]
    packages.install("plum", "1.0", requires=needs, extras=["full", "other"])

    assert "seed>=2 (for plum[full]): not installed" in failure(host.take(script("plum[full]"))["s"]).message
    assert "plum has no extra 'fat'" in failure(host.take(script("plum[fat]"))["s"]).message

    packages.install("seed", "2.1")
    assert host.take(script("plum[FULL]"))["s"].outcome is Outcome.LOADED


def test_an_address_in_the_place_of_a_version_is_refused_in_so_many_words(host: Host) -> None:
    refused = failure(host.take(script("plum @ https://example.com/plum.whl"))["s"])

    assert refused.message.startswith("plum @ https://example.com/plum.whl: expected a version, got an address")


def test_case_16_packages_that_change_under_the_process_are_told_once_and_degrade_nothing(
    tmp_path: Path, packages: Packages
) -> None:
    with a_host(tmp_path, poll_seconds=0.1) as host:
        host.take({"s.py": "import grape\ndef run(): return grape.VERSION"})
        heard = host.supervisor.events.subscribe()

        packages.install("grape", "14.0")
        changed = ["grape 13.7.1 is loaded, 14.0 is installed"]

        eventually(lambda: host.supervisor.health()["restart_needed"] == changed, what="the change is seen")
        assert host.supervisor.health()["status"] == "ok"
        assert host.live.s.run() == "13.7.1"
        packages.install("plum", "1.0")  # one more difference, which concerns nobody
        before = host.supervisor._installed.generation
        eventually(lambda: host.supervisor._installed.generation > before, what="another look was taken")
        events = iter(lambda: heard.get(0), None)
        assert [event.data for event in events if event.name == "packages"] == [{"restart_needed": changed}]


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("fast.cpython-311-x86_64-linux-gnu.so", "import fast"),
        ("helpers/fast.so", "import helpers.fast"),
        ("helpers/fast.abi3.so", "from helpers import fast"),
        ("helpers/fast.pyd", "from helpers.fast import add"),
    ],
)
def test_case_16_a_c_extension_of_the_repository_is_never_loaded_and_its_import_says_why(
    host: Host, path: str, statement: str
) -> None:
    host.take({"s.py": "def run(): return 'old'", "helpers/__init__.py": ""})

    refused = failure(host.take({"s.py": f"{statement}\ndef run(): return 'new'", path: "\x7fELF"})["s"])

    never = "is a C extension, which is never loaded from a repository: install it as a package"
    assert refused.message.endswith(f"; {path} {never}")
    assert (refused.path, refused.line) == ("s.py", 1)
    assert host.live.s.run() == "old"
    assert [(each.path, each.reason) for each in host.supervisor.skipped] == [(path, never)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", 'version = 1\n[[package]]\nname = "grape"\nversion = "VERSION"\n'),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "Grape"\nversion = "VERSION"\n'),
        ("requirements.txt", "# all of them\nabsent==1\ngrape[seed] == VERSION ; python_version > '3'\nother>=1\n"),
    ],
)
def test_case_16_a_lock_file_that_asks_for_another_version_is_told_and_the_scripts_stay(
    host: Host, packages: Packages, file: str, text: str
) -> None:
    packages.install("grape", "13.7.1")
    host.take({"s.py": "def run(): return 'old'", file: text.replace("VERSION", "13.7.1")})
    host.supervisor._installed.look(at_once=True)
    host.sync()
    assert host.supervisor.health()["restart_needed"] == []

    host.take({file: text.replace("VERSION", "14.0")})
    assert host.supervisor.health()["restart_needed"] == [f"{file} asks for grape 14.0 now, 13.7.1 is here"]
    assert host.live.s.run() == "old"

    packages.install("grape", "14.0")
    host.supervisor._installed.look(at_once=True)
    host.sync()
    assert host.supervisor.health()["restart_needed"] == []
