"""Cases 1 to 9: what becomes live, when, and from where it is read."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.store import Outcome
from livegraft.version import VersionState
from tests.support import eventually
from tests.support.host import Host, a_host
from tests.support.modules import module_with


def test_case_01_a_changed_script_gets_a_new_version_and_no_other_does(host: Host) -> None:
    host.take({"a.py": "def run(): return 'a1'", "b.py": "def run(): return 'b1'"})
    b = host.version("b")

    done = host.take({"a.py": "def run(): return 'a2'"})

    assert done["a"].outcome is Outcome.LOADED
    assert done["b"].outcome is Outcome.UNCHANGED
    assert host.live.a.run() == "a2"
    assert host.version("b") is b


def test_case_02_a_changed_helper_gives_its_importers_new_versions(host: Host) -> None:
    host.take(
        {
            "helpers/util.py": "def who(): return 'h1'",
            "s.py": "from helpers.util import who\ndef run(): return who()",
            "other.py": "def run(): return 0",
        }
    )
    other = host.version("other")

    done = host.take({"helpers/util.py": "def who(): return 'h2'"})

    assert done["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "h2"
    assert host.version("other") is other


def test_case_03_imports_in_functions_and_conditions_count_as_dependencies(host: Host) -> None:
    host.take(
        {
            "inner.py": "VALUE = 1",
            "optional.py": "VALUE = 1",
            "f.py": "def run():\n    import inner\n    return inner.VALUE",
            "t.py": """
                try:
                    import optional
                except ImportError:
                    optional = None
                def run(): return optional.VALUE
                """,
            "m.py": """
                def run(n: int = 1):
                    match n:
                        case 1:
                            import inner
                            return inner.VALUE
                """,
        }
    )

    done = host.take({"inner.py": "VALUE = 2", "optional.py": "VALUE = 2"})

    assert {name for name, each in done.items() if each.outcome is Outcome.LOADED} == {"f", "t", "m"}
    assert (host.live.f.run(), host.live.t.run(), host.live.m.run()) == (2, 2, 2)


@pytest.fixture
def quick_turns() -> Iterator[None]:
    """Threads hand over the interpreter often: more interleavings, and six busy ones leave time to commit."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00002)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("quick_turns")
def test_case_04_six_threads_never_see_half_of_a_commit_during_200_switches(host: Host) -> None:
    def files(n: int) -> dict[str, str]:
        return {
            "pair/low.py": f"def value(): return {n}",
            "price.py": f"from pair import low\nHERE = {n}\ndef run(): return HERE, low.value()",
        }

    host.take(files(0))
    commits = host.repository.prepare_commits([files(n) for n in range(1, 201)])
    stop, answers, failures = threading.Event(), set[tuple[int, int]](), list[Exception]()

    def call() -> None:
        try:
            while not stop.is_set():
                for _ in range(20):
                    answers.add(host.live.price.run())
                time.sleep(0.0005)  # six that never rest leave the commits a seventh of the processor
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    for commit in commits:
        host.repository.publish(commit)
        host.sync()
    stop.set()
    for caller in callers:
        caller.join()

    assert failures == []
    assert [answer for answer in answers if answer[0] != answer[1]] == []
    assert (200, 200) in answers


def test_case_05_two_scripts_through_one_namespace_are_of_one_commit(host: Host) -> None:
    host.take({"shop/a.py": "def f(): return 1\ndef g(): return 1\ndef run(): ..."})
    a = host.live.shop.a

    host.take({"shop/a.py": "def f(): return 2\ndef g(): return 2\ndef run(): ..."})

    assert (a.f(), a.g()) == (1, 1)
    assert (host.live.shop.a.f(), host.live.shop.a.g()) == (2, 2)


def test_case_06_a_commit_that_no_script_reaches_loads_nothing(host: Host) -> None:
    host.take({"s.py": "def run(): return 1"})
    version = host.version("s")

    done = host.take({"README.md": "news\n", "tests/test_s.py": "raise SystemExit('a module body ran')"})

    assert done["s"].outcome is Outcome.UNCHANGED
    assert host.version("s") is version
    assert host.states("tests.test_s") == {}


def test_case_07_commits_that_arrive_while_one_loads_are_taken_by_the_newest(tmp_path: Path) -> None:
    gate = threading.Event()
    entered = threading.Event()
    loads: list[str] = []

    class Gate:
        def wait(self, name: str) -> None:
            loads.append(name)
            entered.set()
            gate.wait(60)

    body = "from gate_of_the_test import GATE\nGATE.wait('{0}')\ndef run(): return '{0}'"
    with (
        a_host(tmp_path, files={"s.py": "def run(): return 'a'"}) as host,
        module_with("gate_of_the_test", GATE=Gate()),
    ):
        host.repository.commit_files({"s.py": body.format("b")})
        syncing = threading.Thread(target=host.sync)
        syncing.start()
        assert entered.wait(60)
        host.repository.commit_files({"s.py": body.format("c")})
        newest = host.repository.commit_files({"s.py": body.format("d")})
        gate.set()
        syncing.join()
        host.sync()

        assert loads == ["b", "d"]
        assert host.live.s.run() == "d"
        assert host.supervisor.sync_status.revision == newest


def test_case_08_a_force_push_to_an_older_commit_rolls_back(tmp_path: Path) -> None:
    with a_host(tmp_path, accept_rewritten=True) as host:
        host.take({"s.py": "def run(): return 1"})
        older, key = host.repository.git("rev-parse", "HEAD"), host.key("s")
        host.take({"s.py": "def run(): return 2"})

        host.repository.git("reset", "-q", "--hard", older)
        host.sync()

        assert host.live.s.run() == 1
        assert host.key("s") == key


def test_case_08_a_rewritten_history_waits_for_a_person_by_default(host: Host) -> None:
    host.take({"s.py": "def run(): return 1"})
    older = host.repository.git("rev-parse", "HEAD")
    host.take({"s.py": "def run(): return 2"})
    host.repository.git("reset", "-q", "--hard", older)

    host.supervisor._syncer.poke()
    eventually(lambda: host.supervisor.sync_status.error_kind == "rewritten")
    assert host.live.s.run() == 2

    host.supervisor.sync(accept_rewritten=True, actor="dana")
    assert host.live.s.run() == 1


def test_case_09_only_objects_of_the_commit_are_read_not_the_work_tree(host: Host) -> None:
    host.repository.commit_files({"s.py": "import helper\ndef run(): return helper.V", "helper.py": "V = 'committed'"})
    host.repository.write({"helper.py": "V = 'half writt"})

    host.sync()

    assert host.live.s.run() == "committed"


def test_a_revert_takes_the_old_version_back_while_it_still_drains(host: Host) -> None:
    host.take({"s.py": "def run(): return 1"})
    key, held = host.key("s"), host.version("s").executed_module
    host.take({"s.py": "def run(): return 2"})

    host.take({"s.py": "def run(): return 1"})

    assert host.key("s") == key
    assert host.version("s").executed_module is held
    assert host.states("s")[key] is VersionState.LIVE
