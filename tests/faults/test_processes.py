"""Several processes over one history: who takes what waits, who takes over from the dead, who hears a cancel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

import pytest

from livegraft import Supervisor
from livegraft.run import RunRecord, RunState
from tests.support import Repository, eventually

NAPS = "import time\n\ndef run(seconds: float = 60.0):\n    time.sleep(seconds)\n"
ONE = '# /// script\n# [tool.livegraft]\n# concurrency = {limit = 1, key = "who"}\n# ///\n'
AGAIN = "# /// script\n# [tool.livegraft]\n# retry-on-crash = true\n# ///\n"
SCRIPTS = {
    "naps.py": NAPS,
    "one.py": ONE + "import time\n\ndef run(who: str, seconds: float = 0.2):\n    time.sleep(seconds)\n",
    "again.py": AGAIN + NAPS,
    "waits.py": "import asyncio\n\nasync def run():\n    await asyncio.sleep(60)\n",
}
SETTINGS = {"probe": False, "environments": False, "settle_seconds": 0.0, "poll_seconds": 3600.0}
PROGRAM = f"""
import sys
from livegraft import Supervisor
from livegraft.run import Trigger
with Supervisor(sys.argv[1], data=sys.argv[2], **{SETTINGS}) as supervisor:
    for line in sys.stdin:
        print(eval(line), flush=True)
"""


class Process:
    """A process with a supervisor, which does what it is told in a line of Python."""

    def __init__(self, repository: Repository, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(repository.path), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.strip())

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        return self._lines.get(timeout=60)

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.hear()

    def run(self, script: str, **arguments: object) -> str:
        return self.ask(f"supervisor.run({script!r}, **{arguments}).id")

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._listener.join()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files(SCRIPTS)
    return repository


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def here(repository: Repository, data: Path) -> Iterator[Supervisor]:
    with Supervisor(repository.path, data=data, stop_seconds=0.0, **SETTINGS) as supervisor:  # type: ignore[arg-type]
        yield supervisor


@contextmanager
def processes(count: int, repository: Repository, data: Path) -> Iterator[list[Process]]:
    with ExitStack() as ending:
        started = [Process(repository, data) for _ in range(count)]
        for each in started:
            ending.callback(each.end)
            each.tell("'started'")
        assert {each.hear() for each in started} == {"started"}
        yield started


@pytest.fixture
def other(here: Supervisor, repository: Repository, data: Path) -> Iterator[Process]:
    with processes(1, repository, data) as (process,):
        yield process
        process.kill()


def has_state(supervisor: Supervisor, run: str, *states: RunState) -> RunRecord:
    """The run when it has one of these states."""
    eventually(lambda: supervisor.find_run(run).state in states, 60, f"{run} is {states}")
    return supervisor.find_run(run)


def test_a_run_of_a_killed_process_is_lost_within_ten_seconds_by_a_survivor(here: Supervisor, other: Process) -> None:
    run = other.run("naps")
    has_state(here, run, RunState.RUNNING)

    other.kill()

    eventually(lambda: here.find_run(run).state is RunState.LOST, 10, "it is lost")
    record = here.find_run(run)
    assert record.failure is not None
    assert str(other.pid) in record.failure.message
    eventually(lambda: [each.pid for each in here.replicas] == [os.getpid()], 10, "it is no process any more")


def test_one_with_retry_on_crash_begins_again_in_the_survivor(here: Supervisor, other: Process) -> None:
    run = other.run("again")
    has_state(here, run, RunState.RUNNING)

    other.kill()

    (again,) = eventually(lambda: here.repeats(run), 10, "it is begun again")
    assert again.process == here.identity
    assert again.attempt == 2
    here.cancel(again.id, actor="test")


def test_a_process_that_stands_still_is_not_taken_for_dead(here: Supervisor, other: Process) -> None:
    run = other.run("naps", seconds=0.1)
    os.kill(other.pid, signal.SIGSTOP)
    looks = here._replicas._looked_at

    eventually(lambda: here._replicas._looked_at > looks + 3, 20, "it was looked at again and again")
    assert here.find_run(run).state is not RunState.LOST
    os.kill(other.pid, signal.SIGCONT)

    has_state(here, run, RunState.SUCCEEDED)


def test_a_cancel_reaches_a_run_in_another_process(here: Supervisor, other: Process) -> None:
    run = other.run("waits")
    has_state(here, run, RunState.RUNNING)

    here.cancel(run, actor="test")

    has_state(here, run, RunState.CANCELLED)


def test_a_quarantine_and_a_pause_that_somebody_decides_hold_in_all_processes(here: Supervisor, other: Process) -> None:
    here.quarantine("naps", reason="too slow", actor="dana")
    here.pause("waits", reason="holidays", actor="dana")

    eventually(lambda: other.ask("supervisor.script('naps').quarantine") != "None", 20, "it is out of service there")
    eventually(lambda: other.ask("supervisor.script('waits').pause") != "None", 20, "it is paused there")

    here.release_quarantine("naps", actor="dana")
    eventually(lambda: other.ask("supervisor.script('naps').quarantine") == "None", 20, "it is in service there")


def test_a_script_that_is_pinned_in_one_process_is_at_that_version_in_all(
    here: Supervisor, other: Process, repository: Repository
) -> None:
    def there() -> str:
        return other.ask("supervisor.script('waits').version.key")

    first = there()
    repository.commit_files({"waits.py": SCRIPTS["waits.py"] + "\nCHANGED = True\n"})
    here.sync()
    other.ask("supervisor.sync().revision")
    second = there()
    assert second != first

    here.pin("waits", key=first, actor="dana")
    eventually(lambda: there() == first, 20, "it is pinned there")
    here.unpin("waits", actor="dana")
    eventually(lambda: there() == second, 20, "it follows the repository there")


def test_a_repository_that_is_held_in_one_process_is_held_in_all(
    here: Supervisor, other: Process, repository: Repository
) -> None:
    here.hold(actor="dana", reason="holidays")
    eventually(lambda: other.ask("supervisor.held is not None") == "True", 20, "it is held there")
    tip = repository.commit_files({"new.py": "def run(): ..."})
    other.ask("supervisor.sync().revision")
    assert other.ask("supervisor.sync_status.revision") != tip

    here.let_go(actor="dana")

    eventually(lambda: other.ask("supervisor.sync_status.revision") == tip, 20, "it follows there, by itself")


def test_who_has_room_takes_what_waits_in_another_process(here: Supervisor, other: Process) -> None:
    busy = [here.run("naps") for _ in range(16)]
    waiting = here.run("naps", seconds=0.0)

    taken = has_state(here, waiting.id, RunState.SUCCEEDED)

    assert taken.process.startswith(f"{other.pid}:")
    assert waiting.wait(10).state is RunState.SUCCEEDED, "who holds it hears of its end"
    for run in busy:
        run.cancel()


def test_what_waits_when_a_process_stops_is_begun_by_another(here: Supervisor, other: Process) -> None:
    for _ in range(16):
        other.run("naps")
    busy = [here.run("naps") for _ in range(16)]
    waiting = other.run("naps", seconds=0.0)

    other.tell("supervisor.stop(0)")
    for run in busy[:2]:
        run.cancel()

    assert has_state(here, waiting, RunState.SUCCEEDED).process == here.identity
    for run in busy[2:]:
        run.cancel()


def test_four_processes_keep_limits_and_answer_a_request_once(repository: Repository, data: Path) -> None:
    submit = (
        "supervisor.submit('one', {'who': %r, 'seconds': 0.02}, trigger=Trigger.API, actor='test', request='%s-%d').id"
    )
    with processes(4, repository, data) as hosts:
        for number in range(5):
            for who in ("ann", "bob"):
                for host in hosts:
                    host.tell(submit % (who, who, number))
        answers = [[host.hear() for _ in range(10)] for host in hosts]
        assert answers == [answers[0]] * 4, "each request has one run, whoever is asked"
        for run in answers[0]:
            hosts[0].tell(f"supervisor.wait({run!r}, 60).state.value")
        assert {hosts[0].hear() for _ in answers[0]} == {"succeeded"}

    with Supervisor(repository.path, data=data, tick=False, **SETTINGS) as supervisor:  # type: ignore[arg-type]
        records = [supervisor.find_run(run) for run in answers[0]]
    for who in ("ann", "bob"):
        spans = sorted((each.started_at, each.ended_at) for each in records if each.arguments["who"] == who)
        assert len(spans) == 5
        for (_, ended), (begun, _) in pairwise(spans):
            assert ended is not None
            assert begun is not None
            assert ended <= begun, "no two of one key at once"
