"""What would end a host at import ends in a child of the probe: the last good version serves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from livegraft import Supervisor
from livegraft.errors import ConfigurationError, LoadError
from livegraft.probe import process, warm
from livegraft.run import RunFailure
from livegraft.store import Outcome, ScriptOutcome
from tests.support.descriptors import descriptors
from tests.support.host import Host, a_host
from tests.support.modules import module_with
from tests.support.repository import Repository
from tests.support.waiting import eventually

GOOD = "def run(): return 'good'"
MENDED = "def run(): return 'mended'"
MEMORY_BYTES = 64 * 2**20


def probed(folder: Path, **settings: Any) -> AbstractContextManager[Host]:
    """A host with a probe, unless the settings say otherwise."""
    return a_host(folder, **{"probe": True, **settings})


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with probed(tmp_path, files={"s.py": GOOD}, probe_memory_bytes=MEMORY_BYTES) as host:
        yield host


def refused(outcome: ScriptOutcome) -> RunFailure:
    assert outcome.outcome is Outcome.FAILED
    assert outcome.failure is not None
    return outcome.failure


def zygotes(host: int | None = None) -> list[psutil.Process]:
    """The zygotes that a process (this one) has now."""
    found = []
    for each in psutil.Process(host).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "livegraft.probe.zygote" in " ".join(each.cmdline()):
                found.append(each)
    return found


def zygote() -> psutil.Process:
    (found,) = eventually(zygotes, what="a zygote")  # a process that has just begun has no command line yet
    return found


def warm_children() -> list[psutil.Process]:
    return [child for each in zygotes() for child in each.children()]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("import os\nos._exit(0)", 2, "ended the process that probed it: exit status 0"),
        ("import os\ndef leave():\n    os._exit(7)\nleave()", 3, "exit status 7"),
        ("import ctypes\nctypes.string_at(0)", 2, "SIGSEGV"),
        ("import os\n\nos.abort()", 3, "SIGABRT"),
        ("import ctypes\nctypes.CDLL(None).exit(4)", 0, "exit status 4"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 0, "SIGKILL"),
        ("kept = []\nwhile True:\n    kept.append(bytearray(2**20))", 3, "takes more than 64 MiB of memory"),
        ("x = 1\ny = bytearray(2**30)", 2, "takes more than 64 MiB of memory"),
    ],
    ids=["_exit", "_exit in a function", "segfault", "abort", "exit in C", "killed", "memory bomb", "one big object"],
)
def test_what_would_end_the_host_is_refused_with_its_place(host: Host, body: str, line: int, says: str) -> None:
    outcome = host.take({"s.py": f"{body}\ndef run(): return 'bad'", "other.py": GOOD})

    failure = refused(outcome["s"])
    assert (failure.path, failure.line) == ("s.py", line)
    assert says in failure.message
    assert host.live.s.run() == "good"
    assert outcome["other"].outcome is Outcome.LOADED
    error = host.supervisor.script("s").error
    assert error is not None
    assert error.revision == host.repository.git("rev-parse", "HEAD")
    assert host.take({"s.py": MENDED})["s"].outcome is Outcome.LOADED
    assert host.live.s.run() == "mended"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("while True: pass", 1),
        ("import os\nread, write = os.pipe()\nos.read(read, 1)", 3),
        ("import signal, time\nsignal.signal(signal.SIGABRT, signal.SIG_IGN)\ntime.sleep(60)", 0),
    ],
    ids=["endless loop", "blocked", "blocked and deaf"],
)
def test_an_import_without_an_end_is_killed(tmp_path: Path, body: str, line: int) -> None:
    with probed(tmp_path, files={"s.py": GOOD}, import_seconds=1.0) as host:
        threads = threading.active_count()

        failure = refused(host.take({"s.py": f"{body}\ndef run(): return 'bad'"})["s"])

        assert (failure.path, failure.line, failure.message) == (
            "s.py",
            line,
            "the import did not end within 1 s (import_seconds)",
        )
        assert threading.active_count() == threads, "the host itself never imported it"
        assert host.live.s.run() == "good"
        assert host.take({"s.py": MENDED})["s"].outcome is Outcome.LOADED


def test_the_culprit_is_named_where_it_stands_and_ends_one_child_for_all_its_importers(host: Host) -> None:
    importers = {f"importer{n}.py": "import helpers.mid\ndef run(): return 1" for n in range(5)}
    host.take({"helpers/mid.py": "from helpers import deep", "helpers/deep.py": "", **importers, "other.py": GOOD})

    done = host.take(
        {
            "helpers/deep.py": "import os\nos._exit(1)",
            "other.py": MENDED,
            "late.py": "def run():\n    import helpers.deep",
        }
    )

    failures = {refused(done[f"importer{n}"]) for n in range(5)}
    assert {(failure.path, failure.line) for failure in failures} == {("helpers/deep.py", 2)}
    (shown,) = {failure.traceback for failure in failures}
    assert [line.split("@")[0].strip() for line in shown.splitlines()[1:]][-2:] == ["helpers/mid.py", "helpers/deep.py"]
    assert done["other"].outcome is Outcome.LOADED
    assert done["late"].outcome is Outcome.LOADED, "it imports the culprit only when it runs"
    assert host.live.importer3.run() == 1


def test_who_swallows_the_end_of_a_helper_is_refused_too(host: Host) -> None:
    """The second importer comes to a module that is known to be deadly: it must not count as harmless for that."""
    swallow = "try:\n    import deadly\nexcept BaseException:\n    pass\n"
    done = host.take(
        {
            "deadly.py": "import os\nos._exit(1)",
            "swallows.py": swallow,
            "a.py": "import deadly\ndef run(): ...",
            "b.py": "import swallows\ndef run(): ...",
            "c.py": "import swallows\ndef run(): ...",
        }
    )

    assert {refused(done[name]).path for name in "abc"} == {"deadly.py"}


def test_an_import_that_no_statement_shows_is_resolved_in_the_child(host: Host) -> None:
    """The child asks the host for it: else the module would first be executed in the host."""
    late = "import importlib\nname = 'hid' + 'den'\nimportlib.import_module(f'rules.{name}')\ndef run(): return 'bad'"
    outcome = host.take({"s.py": late, "rules/hidden.py": "x = 1\nimport os\nos._exit(1)"})["s"]

    assert (refused(outcome).path, refused(outcome).line) == ("rules/hidden.py", 3)
    assert host.live.s.run() == "good"


def test_a_child_has_the_files_that_stand_beside_a_module(host: Host) -> None:
    body = "from pathlib import Path\nimport os\nos._exit(int(Path(__file__).with_name('status.txt').read_text()))"

    outcome = host.take({"s.py": "import pack\ndef run(): ...", "pack/__init__.py": body, "pack/status.txt": "9"})["s"]

    assert "exit status 9" in refused(outcome).message


def test_a_module_that_the_host_calls_is_probed_as_well(host: Host) -> None:
    host.take({"pricing.py": "def quote(): return 1"})
    assert host.live.pricing.quote() == 1

    host.take({"pricing.py": "import os\nos._exit(1)\ndef quote(): return 2", "broken.py": "import os\nos._exit(2)"})

    assert host.live.pricing.quote() == 1
    with pytest.raises(LoadError, match="exit status 2"):
        host.live.broken.anything()


def test_an_ordinary_exception_is_told_by_the_hosts_own_import(host: Host) -> None:
    failure = refused(host.take({"s.py": "x = 1\n1 / 0\ndef run(): ..."})["s"])

    assert failure.message == "ZeroDivisionError: division by zero"
    assert "Traceback" in failure.traceback


def test_a_module_of_the_host_that_the_child_has_not_is_no_reason_to_refuse(host: Host) -> None:
    with module_with("only_in_the_host", VALUE=3):
        assert host.take({"s.py": "from only_in_the_host import VALUE\ndef run(): return VALUE"})["s"].failure is None
        assert host.live.s.run() == 3


def test_what_an_import_prints_does_not_reach_the_host_twice(host: Host, capfd: pytest.CaptureFixture[str]) -> None:
    host.take({"s.py": "import os\nprint('loud')\nos.write(1, b'louder')\nos.write(2, b'loudest')\ndef run(): ..."})

    told = capfd.readouterr()
    assert (told.out.count("loud\n"), told.out.count("louder"), told.err.count("loudest")) == (1, 1, 1)


def test_code_can_tell_that_it_is_probed(host: Host) -> None:
    host.take({"s.py": "import os\nWHERE = os.environ.get('LIVEGRAFT_PROBE')\nif WHERE: os._exit(5)\ndef run(): ..."})

    error = host.supervisor.script("s").error
    assert error is not None
    assert "exit status 5" in error.failure.message


def test_what_an_import_leaves_running_is_ended_with_the_child(host: Host, tmp_path: Path) -> None:
    """A process in the child's group, one in a session of its own, and threads that never end."""
    told = tmp_path / "pids"
    body = f"""
        import os, subprocess, sys, threading, time
        if os.environ.get("LIVEGRAFT_PROBE"):
            for apart in (False, True):
                left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=apart)
                with open({str(told)!r}, "a") as pids:
                    print(left.pid, file=pids)
            threading.Thread(target=time.sleep, args=(600,)).start()
            if os.fork() == 0:
                time.sleep(600)
        def run(): return "fine"
    """
    assert host.take({"s.py": body})["s"].outcome is Outcome.LOADED

    pids = [int(pid) for pid in told.read_text().split()]
    assert len(pids) == 2
    eventually(lambda: all(map(is_gone, pids)), what="what it left is gone")
    eventually(lambda: len(warm_children()) == 1, what="only the child that waits for work is there")


def test_a_process_that_an_import_forks_does_not_speak_for_the_child(host: Host) -> None:
    """It goes on with the import where it was forked: it must not tell the host that this went well."""
    body = "import os, time\nif os.fork():\n    time.sleep(0.3)\n    os._exit(3)\ndef run(): return 'bad'"

    assert "exit status 3" in refused(host.take({"s.py": body})["s"]).message


def test_a_killed_zygote_comes_back(host: Host) -> None:
    for number in range(2):
        first = zygote().pid
        os.kill(first, signal.SIGKILL)

        assert (
            "exit status 1"
            in refused(host.take({"s.py": f"import os\nos._exit(1)  # {number}\ndef run(): ..."})["s"]).message
        )
        assert zygote().pid != first
        assert host.supervisor.health()["probe"] == "on"
    assert host.live.s.run() == "good"


def test_a_zygote_that_stands_still_is_given_up_and_loading_goes_on(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warm, "START_SECONDS", 0.5)
    eventually(warm_children)
    zygote().suspend()  # first: it makes no more children then
    for each in warm_children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it was ending
            each.suspend()

    assert host.take({"s.py": MENDED})["s"].outcome is Outcome.LOADED
    assert host.supervisor.health()["probe"] == "failing: it was not ready within 0.5 s"
    assert "versions are loaded without it" in caplog.text
    assert zygotes() == []

    monkeypatch.setattr(warm, "START_SECONDS", 30.0)
    monkeypatch.setattr(warm, "RETRY_SECONDS", 0.0)
    host.supervisor._probe._off_until = 0.0  # type: ignore[attr-defined]
    assert "exit status 1" in refused(host.take({"s.py": "import os\nos._exit(1)\ndef run(): ..."})["s"]).message
    assert host.supervisor.health()["probe"] == "failing: it was not ready within 0.5 s", "until a child did its work"
    host.take({"s.py": f"{GOOD}  # again"})
    assert host.supervisor.health()["probe"] == "on"


def test_a_python_that_cannot_be_started_turns_the_probe_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with probed(tmp_path, files={"s.py": GOOD}) as host:
        assert host.live.s.run() == "good"
        assert "'/nowhere/python' cannot be started" in host.supervisor.health()["probe"]


def test_a_zygote_that_dies_at_its_start_turns_the_probe_off_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_BOOT", "raise SystemExit('this Python has no livegraft')")

    with probed(tmp_path, files={"s.py": GOOD}) as host:
        assert host.live.s.run() == "good"
        assert host.supervisor.health()["probe"] == "failing: this Python has no livegraft"
        assert zygotes() == []


def test_one_failure_to_fork_lets_nothing_through(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.supervisor._probe._drop_warm()  # type: ignore[attr-defined]
    fork, failures = process.Zygote.fork, iter([process.ZygoteError("not now"), process.ZygoteError("not yet")])

    def fork_later(zygote: process.Zygote) -> process.Child:
        for failure in failures:
            raise failure
        return fork(zygote)

    monkeypatch.setattr(process.Zygote, "fork", fork_later)

    assert "exit status 1" in refused(host.take({"s.py": "import os\nos._exit(1)\ndef run(): ..."})["s"]).message


def test_a_bound_of_memory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="probe_memory_bytes to be at least 1, got: 0"):
        Supervisor(tmp_path, data=tmp_path / "data", probe_memory_bytes=0)


def test_without_a_probe_there_are_no_processes(tmp_path: Path) -> None:
    with probed(tmp_path, files={"s.py": GOOD}, probe=False) as host:
        assert host.live.s.run() == "good"
        assert zygotes() == []
        assert host.supervisor.health()["probe"] == "off"


def test_several_supervisors_have_a_probe_each_and_end_it(tmp_path: Path) -> None:
    with probed(tmp_path / "a", files={"s.py": GOOD}) as a, probed(tmp_path / "b", files={"s.py": GOOD}) as b:
        assert len(zygotes()) == 2
        for host in (a, b):
            assert (
                "exit status 1" in refused(host.take({"s.py": "import os\nos._exit(1)\ndef run(): ..."})["s"]).message
            )
            assert host.live.s.run() == "good"
    assert zygotes() == []


def test_the_zygote_goes_with_a_host_that_is_killed(tmp_path: Path) -> None:
    """In the middle of an import, too."""
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files({"s.py": "import time\ntime.sleep(600)\ndef run(): ..."})
    program = "import sys\nfrom livegraft import Supervisor\nSupervisor(sys.argv[1], data=sys.argv[2]).__enter__()"
    with subprocess.Popen([sys.executable, "-c", program, repository.path, tmp_path / "data"]) as host:
        eventually(lambda: [child for each in zygotes(host.pid) for child in each.children()], what="it probes")
        family = [each.pid for each in psutil.Process(host.pid).children(recursive=True)]
        host.kill()
        host.wait()

        eventually(lambda: all(map(is_gone, family)), what="nothing of it is left")


def test_fifty_probes_leave_no_descriptors_and_no_processes(host: Host) -> None:
    bad = "import os\nos._exit(1)  # {}\ndef run(): ..."
    for n in range(5):
        host.take({"s.py": bad.format(n)})
    eventually(lambda: len(warm_children()) == 1)
    files, the_zygote = descriptors(), zygote()
    zygote_files = the_zygote.num_fds()
    for n in range(5, 50):
        host.take({"s.py": bad.format(n) if n % 2 else f"N = {n}\n{GOOD}"})

    eventually(lambda: len(warm_children()) == 1, what="one child waits for work")
    assert zygote() == the_zygote
    # Git may be at work at this moment, with pipes of its own; what leaked would stay.
    eventually(lambda: (descriptors() - files).total() <= 3, what=f"few more than {files}")
    eventually(lambda: the_zygote.num_fds() <= zygote_files, what=f"{zygote_files} descriptors of the zygote")


def test_a_zygote_is_replaced_after_its_share_of_forks(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "FORKS_OF_A_ZYGOTE", 3)
    seen = set()
    for n in range(8):
        host.take({"s.py": f"N = {n}\n{GOOD}"})
        seen.add(zygote().pid)

    assert len(seen) >= 2


def test_what_an_import_brought_in_is_there_for_the_next_child(tmp_path: Path) -> None:
    """The package is imported in a child once, then in the zygote, and never again."""
    marks = tmp_path / "marks"
    package = tmp_path / "installed" / "slow_package_of_the_test.py"
    package.parent.mkdir()
    package.write_text(f"import os\nwith open({str(marks)!r}, 'a') as file:\n    file.write(f'{{os.getpid()}} ')\n")
    body = f"import slow_package_of_the_test\n{GOOD}"
    sys.path.append(str(package.parent))  # the zygote of the next host has it, too
    try:
        with probed(tmp_path / "second", files={"s.py": body}) as second:
            eventually(lambda: len(marks.read_text().split()) == 3, what="a child, this process, and the zygote")
            for n in range(3):
                second.take({"s.py": f"{body}\nN = {n}"})
            assert len(marks.read_text().split()) == 3
    finally:
        sys.path.remove(str(package.parent))
        sys.modules.pop("slow_package_of_the_test", None)


def test_versions_that_were_live_before_are_not_probed_again(tmp_path: Path) -> None:
    """Not after a restart, and not when a commit takes an old one back."""
    marks = tmp_path / "marks"
    body = (
        "import os\nif os.environ.get('LIVEGRAFT_PROBE'):\n    with open({!r}, 'a') as file:\n        file.write('x')\n"
    )
    body = body.format(str(marks)) + GOOD
    with probed(tmp_path, files={"s.py": body}) as host:
        assert marks.read_text() == "x"
        host.take({"s.py": GOOD})
        host.take({"s.py": body})
        assert marks.read_text() == "x"
    with Supervisor(tmp_path / "repository", data=tmp_path / "data", poll_seconds=3600) as supervisor:
        assert supervisor.live.s.run() == "good"
        assert marks.read_text() == "x"


def test_a_hundred_new_scripts_are_probed_by_few_children(tmp_path: Path) -> None:
    """One that kills its child costs one more; the memory of all together is no reason to refuse one."""
    big = "kept = bytearray(2**20)\n"
    files = {f"team/s{n}.py": big + GOOD for n in range(100)} | {"team/s50.py": "import os\nos._exit(1)\n" + GOOD}

    with probed(tmp_path, files=files, probe_memory_bytes=MEMORY_BYTES) as host:
        failed = [status.name for status in host.supervisor.scripts if status.error is not None]
        assert failed == ["team/s50"]
        forks = host.supervisor._probe._zygote.fork_count  # type: ignore[attr-defined]
        assert 3 <= forks <= 6
