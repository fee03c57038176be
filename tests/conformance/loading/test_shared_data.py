"""Shared data and versions: what scripts keep outlives them, and keeps none of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.check import check_tree, supervised_tree
from livegraft.version import VersionState
from tests.support.host import Host, a_host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    # ``from livegraft import *`` imports all of it, in the probe's child too: on a loaded machine that takes a while.
    with a_host(tmp_path, import_seconds=60.0) as host:
        yield host


COUNTING = """
    from livegraft import shared

    counters = shared("counters")

    def run():
        return {number} * 100 + counters.add("seen")
    """


def test_a_new_version_sees_what_the_old_one_kept_and_does_not_keep_it_alive(host: Host) -> None:
    host.take({"s.py": COUNTING.format(number=1)})
    old = host.key("s")
    assert [host.supervisor.run("s").wait(60).result.value for _ in range(2)] == [101, 102]  # type: ignore[union-attr]

    host.take({"s.py": COUNTING.format(number=2)})

    assert host.live.s.run() == 203
    host.wait_for("s", old, VersionState.UNLOADED)
    assert host.supervisor.shared("counters")["seen"] == 3


@pytest.mark.parametrize(
    "how",
    [
        "from livegraft import shared",
        "from livegraft import *",
        "import livegraft\n    shared = livegraft.shared",
        "import livegraft.errors\n    shared = livegraft.shared",
        "import importlib\n    shared = importlib.import_module('livegraft').shared",
        "ns = {}\n    exec('from livegraft import shared', ns)\n    shared = ns['shared']",
    ],
)
def test_every_way_to_import_it_gets_the_one_of_the_importers_own_supervisor(host: Host, how: str) -> None:
    in_a_function = "*" not in how
    text = (
        f"def run():\n    {how}\n    return shared('a')['k']"
        if in_a_function
        else f"{how}\ndef run(): return shared('a')['k']"
    )
    host.take({"s.py": text})
    host.supervisor.shared("a")["k"] = 7

    assert host.live.s.run() == 7


def test_two_supervisors_in_one_process_have_shared_data_of_their_own(tmp_path: Path) -> None:
    files = {"s.py": COUNTING.format(number=0)}
    with a_host(tmp_path / "one", files=files) as one, a_host(tmp_path / "two", files=files) as two:
        assert [one.live.s.run(), one.live.s.run(), two.live.s.run()] == [1, 2, 1]


def test_a_module_that_scripts_share_and_the_host_itself_use_the_same_data(host: Host) -> None:
    helper = "from livegraft import shared\ndef count(): return shared('n').add('n')"
    typed = "from livegraft import SharedData, shared\nn: SharedData = shared('n')\ndef run() -> int: return n.add('n')"
    using = "from helpers.count import count\ndef run(): return count()"
    host.take({"helpers/count.py": helper, "a.py": using, "b.py": typed})

    assert [host.live.a.run(), host.live.b.run(), host.supervisor.shared("n").add("n")] == [1, 2, 3]


def test_the_rest_of_livegraft_is_the_hosts_own(host: Host) -> None:
    import livegraft

    names = "livegraft.progress, livegraft.LivegraftError, sys.modules['livegraft']"
    host.take({"s.py": f"import livegraft, sys\ndef run(): return {names}"})

    assert host.live.s.run() == (livegraft.progress, livegraft.LivegraftError, livegraft)


def test_an_update_that_a_run_leaves_by_an_exception_leaves_nothing(host: Host) -> None:
    host.take(
        {
            "s.py": """
                from livegraft import shared
                def run():
                    with shared("stock").update() as draft:
                        draft["apples"] = 1
                        raise ValueError("no pears")
                """
        }
    )

    run = host.supervisor.run("s").wait(60)

    assert (run.state, run.failure.message if run.failure else "") == ("failed", "no pears")
    assert host.supervisor.shared("stock").copy() == {}


def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"s.py": COUNTING.format(number=0)}) as host:
        assert host.live.s.run() == 1
    with a_host(tmp_path, files={"README.md": "x"}) as host:
        assert host.live.s.run() == 2


def test_a_work_tree_has_shared_data_that_is_gone_afterwards(host: Host) -> None:
    host.repository.write({"s.py": COUNTING.format(number=0)})

    for _ in range(2):
        with supervised_tree(host.repository.path, {}) as supervisor:
            assert supervisor.run("s").wait(60).result.value == 1  # type: ignore[union-attr]
    assert check_tree(host.repository.path, {}) == (1, [])
    assert host.supervisor.shared.names() == []
