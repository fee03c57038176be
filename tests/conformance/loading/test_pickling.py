"""Cases 23 and 24: objects and functions of a version travel by its name, to other processes and past its end."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from livegraft.errors import UnloadedVersionError
from livegraft.version import VersionState
from tests.support.host import Host

ORDERS = {
    "orders/model.py": "from orders import tax\nclass Order:\n    def __init__(self, net): self.net = net\n"
    "    def gross(self): return self.net + tax.RATE\n    def __eq__(self, other): return self.net == other.net\n"
    "    __hash__ = None\n",
    "orders/tax.py": "RATE = 1",
    "s.py": "from orders.model import Order\ndef run(net: int = 1): return Order(net)\n"
    "def gross(net):\n    import orders.tax\n    return Order(net).gross(), orders.tax.RATE, __file__\n",
}


@pytest.fixture
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def gross_of(pickled: bytes) -> int:
    gross: int = pickle.loads(pickled).gross()
    return gross


def test_case_23_an_instance_is_pickled_and_read_in_process(host: Host) -> None:
    host.take(ORDERS)
    order = host.live.s.run()

    again = pickle.loads(pickle.dumps(order))

    assert again == order
    assert type(again) is type(order)


def test_case_23_a_spawned_child_reads_an_instance_of_its_own_commit(host: Host, pool: ProcessPoolExecutor) -> None:
    host.take(ORDERS)
    old = pickle.dumps(host.live.s.run())
    host.take({"orders/tax.py": "RATE = 100"})
    new = pickle.dumps(host.live.s.run())

    assert [pool.submit(gross_of, pickled).result(60) for pickled in (old, new, old)] == [2, 101, 2]


def test_case_23_a_pickle_of_an_unloaded_version_loads_it_again_and_lets_it_go(host: Host) -> None:
    host.take(ORDERS)
    keys = {name: host.supervisor._loader.find(name, key).key for name, key in loaded(host)}  # type: ignore[union-attr]
    pickled = pickle.dumps(host.live.s.run())
    host.take({"orders/tax.py": "RATE = 100"})
    host.wait_for("orders.model", keys["orders.model"], VersionState.UNLOADED)

    order = pickle.loads(pickled)

    assert order.gross() == 2
    assert not isinstance(order, type(host.live.s.run()))
    assert host.live.s.run().gross() == 101
    del order
    host.wait_for("orders.model", keys["orders.model"], VersionState.UNLOADED)
    assert not any("@" in name for name in vars(sys.modules["livegraft.live"]))


def test_case_23_what_cannot_be_loaded_again_says_which_commit_had_it(host: Host) -> None:
    host.take(
        {
            "s.py": "import os\nif os.environ.get('BROKEN_NOW'): raise OSError('gone')\n"
            "class C: ...\ndef run(): return C()"
        }
    )
    commit, key = host.repository.git("rev-parse", "HEAD"), host.key("s")
    pickled = pickle.dumps(host.live.s.run())
    host.take({"s.py": "def run(): ..."})
    host.wait_for("s", key, VersionState.UNLOADED)
    os.environ["BROKEN_NOW"] = "1"
    try:
        with pytest.raises(
            UnloadedVersionError, match=rf"expected s@{key[:8]} of commit {commit[:8]} .* OSError: gone"
        ):
            pickle.loads(pickled)
    finally:
        del os.environ["BROKEN_NOW"]
    with pytest.raises(UnloadedVersionError, match="expected s@0123abcd to be a version that"):
        __import__(pickled_name("s", "0123abcd" * 2 + "0123"))


def test_case_23_a_process_that_is_told_the_data_folder_reads_pickles(host: Host, tmp_path: Path) -> None:
    host.take(ORDERS)
    file = tmp_path / "order.pickle"
    file.write_bytes(pickle.dumps(host.live.s.run()))
    told = {**os.environ, "LIVEGRAFT_DATA": str(tmp_path / "data")}
    code = f"import pickle; print(pickle.load(open({str(file)!r}, 'rb')).gross())"

    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True)
    not_told = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in told.items() if name != "LIVEGRAFT_DATA"},
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("2\n", "")
    assert "a data folder in LIVEGRAFT_DATA knows, got: none" in not_told.stderr


def test_case_24_a_function_in_a_spawn_pool_runs_its_own_commit(host: Host, pool: ProcessPoolExecutor) -> None:
    host.take(ORDERS)
    old = host.live.s.gross
    host.take({"orders/tax.py": "RATE = 100"})
    new = host.live.s.gross

    assert pool.submit(old, 1).result(60) == old(1)
    assert pool.submit(new, 1).result(60) == new(1) == (101, 100, new.__globals__["__file__"])


def test_case_24_the_environment_names_the_data_folder_while_the_supervisor_runs(host: Host, tmp_path: Path) -> None:
    assert str(tmp_path / "data") in os.environ["LIVEGRAFT_DATA"].split(os.pathsep)

    host.supervisor.stop()

    assert str(tmp_path / "data") not in os.environ.get("LIVEGRAFT_DATA", "")


def loaded(host: Host) -> list[tuple[str, str]]:
    return [(version.name, version.key) for version in host.supervisor._loader.versions]


def pickled_name(name: str, key: str) -> str:
    return f"livegraft.live.{name}@{key}"
