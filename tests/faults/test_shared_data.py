"""Shared data between processes: concurrent, killed in the middle, started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shared import a_space, in_another_process

ADDING = """
    with a_space(file) as shared:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(1000):
            shared("counters").add("seen")
    """
MOVING = """
    with a_space(file) as shared:
        data = shared("stock")
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(100):
            with data.update() as draft:
                draft["here"] -= 1
                draft["there"] += 1
    """
HANGING = """
    with a_space(file) as shared:
        data = shared("stock")
        with data.update() as draft:
            draft["here"] -= 1
            draft["there"] += 1
            print("ready", flush=True)
            sys.stdin.readline()
    """
KILLED_AT_ITS_END = """
    import os, signal
    from livegraft.store.shared import SqlSharedRows

    put = SqlSharedRows.put

    def put_one_and_die(rows, value):
        put(rows, value)
        os.kill(os.getpid(), signal.SIGKILL)

    with a_space(file) as shared:
        with shared("stock").update() as draft:
            draft["here"] -= 1
            draft["there"] += 1
            SqlSharedRows.put = put_one_and_die
    """


def at_once(file: Path, program: str, count: int) -> None:
    """Run a program in several processes that begin together."""
    processes = [in_another_process(file, program) for _ in range(count)]
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in processes:
        each.communicate(timeout=100)
        assert each.returncode == 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def test_two_processes_that_add_a_thousand_times_each_lose_nothing(file: Path) -> None:
    at_once(file, ADDING, 2)

    with a_space(file) as shared:
        assert shared("counters")["seen"] == 2000


def test_updates_of_two_processes_come_one_after_the_other(file: Path) -> None:
    with a_space(file) as shared:
        shared("stock")["here"] = shared("stock")["there"] = 1000

    at_once(file, MOVING, 2)

    with a_space(file) as shared:
        assert shared("stock").copy() == {"here": 800, "there": 1200}


@pytest.mark.parametrize("program", [HANGING, KILLED_AT_ITS_END], ids=["inside the block", "while it is written"])
def test_an_update_whose_process_is_killed_leaves_nothing_and_holds_nobody(file: Path, program: str) -> None:
    with a_space(file) as shared:
        data = shared("stock")
        data["here"], data["there"] = 5, 0
        with in_another_process(file, program) as other:
            assert other.stdout is not None
            other.stdout.readline()  # ready, or dead
            assert data.copy() == {"here": 5, "there": 0}
            other.kill()
        assert other.returncode == -9

        with data.update() as draft:  # at once: a dead process is not waited for
            assert dict(draft) == {"here": 5, "there": 0}
            draft["here"] = 4

        assert data.copy() == {"here": 4, "there": 0}
