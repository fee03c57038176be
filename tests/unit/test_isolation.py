"""Runs in processes of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from livegraft.errors import ConfigurationError
from livegraft.isolation.runner import _bars, _outcome
from livegraft.run import RunState
from livegraft.run_handle import Run
from livegraft.store import Outcome
from tests.support import eventually
from tests.support.host import Host, a_host

HEADER = '# /// script\n# [tool.livegraft]\n# isolation = "process"\n{0}# ///\n'
ISOLATED = HEADER.replace("{0}", "")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("isolation")) as host:
        yield host


def run(host: Host, name: str, body: str, *, header: str = ISOLATED, **arguments: object) -> Run:
    """Commit a script and start it."""
    host.take({f"{name}.py": header + body})
    return host.supervisor.run(name, **arguments)


def test_it_has_a_process_of_its_own_and_tells_its_result(host: Host) -> None:
    done = run(host, "own", "import os\ndef run(n: int): return [os.getpid(), n + 1]", n=4)

    pid, number = done.result
    assert number == 5
    assert pid != os.getpid()
    eventually(lambda: not psutil.pid_exists(pid), what="its process is gone")


def test_it_has_the_modules_and_data_of_its_commit(host: Host) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/rates.csv": "7",
        "shop/rates.py": "from pathlib import Path\nRATE = int(Path(__file__).with_name('rates.csv').read_text())",
        "uses.py": f"{ISOLATED}from shop.rates import RATE\ndef run():\n    import late\n    return RATE + late.MORE",
        "late.py": "MORE = 1",
    }
    host.take(files)
    assert host.supervisor.run("uses").result == 8

    host.take({"shop/rates.csv": "10", "late.py": "MORE = 2"})
    assert host.supervisor.run("uses").result == 12


def test_all_that_it_and_its_children_print_is_its_output_in_order(host: Host) -> None:
    body = """
import logging, subprocess, sys, warnings
def run():
    print("one")
    print("two", file=sys.stderr)
    logging.getLogger("shop").info("three")
    subprocess.run(["echo", "four"])
    print("five")
"""
    done = run(host, "prints", body)

    assert done.wait(60).state is RunState.SUCCEEDED
    lines = done.output.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["one", "two", "three", "four", "five"]
    assert "INFO shop: three" in lines[2]


def test_it_sees_nothing_of_the_hosts_environment_and_begins_in_an_empty_folder(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    done = run(host, "env", "import os\ndef run(): return [sorted(os.environ), os.listdir('.'), os.getcwd()]")

    names, files, folder = done.result
    assert "SECRET_OF_THE_HOST" not in names
    assert set(names) <= {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "LIVEGRAFT_RUN", "LC_CTYPE"}
    assert files == []
    eventually(lambda: not Path(folder).exists(), what="its folder is gone")


def test_a_failure_has_its_place_in_the_repository(host: Host) -> None:
    done = run(host, "fails", "def run():\n    raise ValueError('no')").wait(60)

    assert done.state is RunState.FAILED
    assert done.failure is not None
    assert (done.failure.type, done.failure.message, done.failure.path, done.failure.line) == (
        "ValueError",
        "no",
        "fails.py",
        6,
    )
    assert f'"fails.py", line 6, in run at {done.revision[:8]}' in done.failure.traceback


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("os._exit(7)", "ended with status 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_what_would_end_the_host_ends_the_run(host: Host, what: str, says: str) -> None:
    done = run(host, "ends", f"import os, signal\ndef run():\n    {what}").wait(60)

    assert done.state is RunState.FAILED
    assert done.failure is not None
    assert says in done.failure.message


def test_memory_beyond_its_bound_is_an_error_in_the_run(host: Host) -> None:
    header = HEADER.replace("{0}", '# memory = "64MiB"\n')
    done = run(host, "memory", "def run(): return len(bytearray(10 ** 9))", header=header).wait(60)

    assert done.state is RunState.FAILED
    assert done.failure is not None
    assert done.failure.type == "MemoryError"


@pytest.mark.parametrize(
    ("key", "body", "says"),
    [
        ('cpu = "1s"', "while True: pass", "processor time"),
        (
            "processes = 5",
            "while True:\n        os.fork() or os.setsid()\n        time.sleep(0.3)",
            "at most 5 processes",
        ),
        ("open-files = 32", "return [open('/dev/null') for _ in range(100)]", "Too many open files"),
    ],
)
def test_what_its_header_allows_is_the_most_that_it_gets(host: Host, key: str, body: str, says: str) -> None:
    done = run(
        host, "bounded", f"import os, time\ndef run():\n    {body}", header=HEADER.replace("{0}", f"# {key}\n")
    ).wait(60)

    assert done.state is RunState.FAILED
    assert done.failure is not None
    assert says in done.failure.message


LOOKS = """
import time
from livegraft import cancelled
def run():
    print("going")
    while not cancelled():
        time.sleep(0.01)
    print("cleaned up")
"""
WAITS = """
import asyncio
async def run():
    print("going")
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
"""


@pytest.mark.parametrize(("name", "body"), [("looks", LOOKS), ("waits", WAITS)])
def test_one_that_looks_or_awaits_comes_to_its_own_end_when_it_is_cancelled(host: Host, name: str, body: str) -> None:
    going = run(host, name, body)
    eventually(lambda: "going" in going.output, what="it is going")
    going.cancel()

    assert going.wait(60).state is RunState.CANCELLED
    assert "cleaned up" in going.output


def test_one_that_does_not_stop_is_killed_with_all_that_it_started(host: Host) -> None:
    body = """
import os, signal, subprocess, sys, time
def run():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", ignore])
    fled = subprocess.Popen([sys.executable, "-c", ignore], start_new_session=True)
    print(os.getpid(), child.pid, fled.pid, flush=True)
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass
"""
    going = run(host, "stubborn", body)
    eventually(lambda: len(going.output.split()) == 3, what="it has told its processes")
    pids = [int(pid) for pid in going.output.split()]
    going.cancel()

    assert going.wait(60).state is RunState.CANCELLED
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="all its processes are gone")


def test_a_run_that_ends_leaves_no_process_behind(host: Host) -> None:
    body = """
import subprocess, sys
def run():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    return [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
"""
    pids = run(host, "leaves", body).result

    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="they are gone")


def test_two_runs_beside_each_other_do_not_end_each_others_processes(host: Host) -> None:
    body = """
import subprocess, sys, time
def run(seconds: float):
    fled = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep({seconds}); print('here')"], start_new_session=True
    )
    return fled.wait()
"""
    long = run(host, "beside", body, seconds=1.5)
    short = host.supervisor.run("beside", seconds=0.0)

    assert short.result == 0
    assert long.result == 0
    assert long.output == "here\n"


def test_progress_is_seen_while_it_goes(host: Host) -> None:
    body = """
import time
from livegraft import cancelled, progress
def run():
    for _ in progress(range(4), "loop"):
        progress(0.5, "half")
        while not cancelled():
            time.sleep(0.01)
"""
    going = run(host, "tells", body)

    def half() -> bool:
        bars = host.supervisor.progress(going.id)
        return [(bar.fraction, bar.text) for bar in bars] == [(0.0, "loop"), (0.5, "half")]

    eventually(half, what="its progress is seen")
    going.cancel()
    going.wait(60)


def test_nonsense_of_its_process_about_its_progress_is_left_out() -> None:
    told = [[0.5, "a"], [True], ["x", "y"], [7, "b" * 1000], [float("nan"), "c"], 3, *[[0.1, "d"]] * 1000]

    shown = _bars(told).shown

    assert [(bar.fraction, len(bar.text)) for bar in shown[:3]] == [(0.5, 1), (1.0, 200), (None, 1)]
    assert len(shown) == 8


def test_wrong_arguments_are_refused_before_it_starts(host: Host) -> None:
    host.take({"typed.py": f"{ISOLATED}from datetime import date\ndef run(day: date): return day.year"})

    assert host.supervisor.run("typed", day="2026-11-26").result == 2026
    with pytest.raises(Exception, match="day"):
        host.supervisor.run("typed", day="no day")


def test_one_that_asks_for_an_object_of_the_host_does_not_go_live(tmp_path: Path) -> None:
    with a_host(tmp_path, provide={"db": object()}) as host:
        told = host.take({"asks.py": f"{ISOLATED}def run(db): ..."})

    assert told["asks"].outcome is Outcome.FAILED
    assert told["asks"].failure is not None
    assert "asks for db" in told["asks"].failure.message


def test_what_such_scripts_import_is_there_from_the_beginning_of_the_next_process(host: Host) -> None:
    body = "import sys\nhad = 'wave' in sys.modules\nimport wave\ndef run(): return had"
    host.take({"imports.py": ISOLATED + body})

    assert host.supervisor.run("imports").result is False
    eventually(lambda: host.supervisor.run("imports").result is True)


def test_a_module_that_a_zygote_does_not_survive_is_left_to_the_runs(tmp_path: Path) -> None:
    with a_host(tmp_path) as host:
        processes = host.supervisor._processes
        host.take({"idle.py": f"{ISOLATED}import os\ndef run(): return os.getppid()"})
        zygote = host.supervisor.run("idle").result

        processes.imported(None, ["antigravity_that_exits"])
        os.kill(zygote, signal.SIGKILL)
        eventually(lambda: psutil.Process(zygote).status() == psutil.STATUS_ZOMBIE, what="the zygote has died")
        host.supervisor.run("idle").wait(60)

        [place] = processes._places.values()
        assert (place.unfit, place.preloaded) == ({"antigravity_that_exits"}, set())


POLICY = {"memory": "64MiB", "processes": 10}


def test_a_header_that_asks_for_more_than_the_host_allows_does_not_go_live(tmp_path: Path) -> None:
    with a_host(tmp_path, process_limits=POLICY) as host:
        header = HEADER.replace("{0}", '# processes = 10\n# memory = "65MiB"\n')
        failure = host.take({"greedy.py": f"{header}def run(): ..."})["greedy"].failure

    assert failure is not None
    assert (failure.path, failure.line) == ("greedy.py", 5)
    assert failure.message == "expected memory to be at most what the host allows (process_limits), got: '65MiB'"


def test_a_header_that_says_nothing_gets_what_the_host_allows(tmp_path: Path) -> None:
    with a_host(tmp_path, process_limits=POLICY) as host:
        done = run(host, "memory", "def run(): return len(bytearray(10 ** 9))").wait(60)

    assert done.failure is not None
    assert done.failure.type == "MemoryError"


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"memory": "lots"}, "process_limits: memory: expected an amount"),
        ({"disk": 1}, "process_limits: expected one of"),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused(tmp_path: Path, limits: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says), a_host(tmp_path, process_limits=limits):
        pass


def test_a_zygote_that_was_killed_is_replaced(host: Host) -> None:
    host.take({"again.py": f"{ISOLATED}import os\ndef run(): return os.getppid()"})
    zygote = host.supervisor.run("again").result
    os.kill(zygote, signal.SIGKILL)
    eventually(lambda: psutil.Process(zygote).status() == psutil.STATUS_ZOMBIE, what="the zygote has died")

    other = host.supervisor.run("again").result

    assert other not in (zygote, 1)


def test_its_output_has_times_and_no_level_for_all_goes_through_one_pipe(host: Host) -> None:
    done = run(host, "levels", "import sys\ndef run():\n    print('one')\n    print('two', file=sys.stderr)")
    done.wait(60)

    assert done.output == "one\ntwo\n"
    assert {level for _, _, level in host.supervisor.output_marks(done.id, 0, 8)} == {""}


def test_it_returns_tables_pictures_and_files(host: Host) -> None:
    body = """
import pandas as pd
from livegraft import artifacts
class Picture:
    def _repr_png_(self): return b"\\x89PNG\\r\\n\\x1a\\n" + bytes(range(256)) * 8000
def run(picture: bool):
    (artifacts() / "left.txt").write_text("left")
    (artifacts() / "link").symlink_to("/etc/passwd")
    return Picture() if picture else pd.DataFrame({"n": [1, 2]})
"""
    table = run(host, "rich", body, picture=False)
    assert table.result.rows == [[1], [2]]
    assert len(host.supervisor.run("rich", picture=True).result) == 8 + 256 * 8000
    assert [each.name for each in host.supervisor.artifacts.find(table.id)] == ["left.txt"]
    assert "the artifact 'link' is not kept" in table.output


@pytest.mark.parametrize(
    "result",
    [
        {"kind": "page", "value": None, "note": "", "body": ""},
        {"kind": "png", "value": None, "note": "", "body": "no base64"},
        {"kind": "table", "value": None, "note": "", "body": "e30="},
        {"kind": "json", "value": None, "note": 3, "body": ""},
        {"kind": "json", "value": None},
        {"kind": ["json"], "value": None, "note": "", "body": ""},
        ["json"],
    ],
)
def test_nonsense_of_its_process_about_its_result_is_a_failure(result: object) -> None:
    failure = _outcome(result, None).failure

    assert failure is not None
    assert failure.message == "the process of the run told nonsense of its end"
