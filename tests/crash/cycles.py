"""Cycles of start, work and ``kill -9``, and what must hold after each."""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livegraft.crash_points import CRASH_POINTS
from tests.crash.host import fork
from tests.support import Repository
from tests.support.waiting import eventually

_MINUTE: Final = 60 * 1_000_000
_OF_RUNS: Final = frozenset(CRASH_POINTS[:9])
"""Points that a process comes to again and again."""

_LONGEST: Final = 1.0
"""Seconds after its start at which a process is killed that did not come to its point."""

_OPEN: Final = "('queued', 'starting', 'running')"
_MARKS: Final = """
    import os
    from pathlib import Path
    from livegraft.context import current_run

    def mark():
        file = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{{current_run.get().id}}\\n".encode())
        os.close(file)
"""
_BODY: Final = "import time\nfrom executed import mark\n\ndef run():\n    mark()\n    print('x' * 100)\n    {rest}\n"


def scripts(executed: Path) -> dict[str, str]:
    """Each marks in a file that it was executed."""
    single = "# /// script\n# [tool.livegraft]\n# concurrency = 1\n# ///\n"
    fails = '# /// script\n# [tool.livegraft]\n# retries = {times = 1, delay = "10s"}\n# ///\n'
    return {
        "executed.py": _MARKS.format(file=str(executed)),
        **{f"tick{n}.py": "# cron: * * * * *\n" + _BODY.format(rest="") for n in range(3)},
        "busy.py": _BODY.format(rest="time.sleep(0.03)"),
        "single.py": single + _BODY.format(rest="time.sleep(0.01)"),
        "fails.py": fails + _BODY.format(rest="raise ValueError('no')"),
    }


@dataclass
class Figures:
    """What was counted."""

    kills: int = 0
    at_points: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    ends: int = 0
    runs: int = 0
    slots: int = 0
    lost: int = 0
    seconds: float = 0.0


class Host:
    """One process to be killed, with what it told."""

    def __init__(
        self, repository: Path, data: Path, base: float, crash_at: str = "", known_dead: frozenset[int] = frozenset()
    ) -> None:
        self.crash_at = crash_at
        self.known_dead = known_dead
        self.pid, self._reads = fork(repository, data, base, crash_at)
        self._rest = b""
        self.lines: list[str] = []
        self.is_gone = False

    def read(self, seconds: float) -> None:
        """Take what it tells within so many seconds, or until it is gone."""
        until = time.monotonic() + seconds
        while not self.is_gone and select.select([self._reads], [], [], max(0.0, until - time.monotonic()))[0]:
            data = os.read(self._reads, 1 << 16)
            self.is_gone = not data
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode() for line in lines]

    def read_until_ready(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.is_gone and not self.is_ready and time.monotonic() < until:
            self.read(0.02)

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and take all that it told; its status, as ``os.wait`` has it."""
        os.kill(self.pid, number)
        self.read(60)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._reads)
        return status

    @property
    def is_ready(self) -> bool:
        return "ready" in self.lines


class Generation:
    """One history, from its first process to its last: it stays small, so that looking at all of it costs little."""

    def __init__(self, folder: Path, chance: random.Random, figures: Figures) -> None:
        self._chance = chance
        self._figures = figures
        folder.mkdir(parents=True)
        self._data, self._executed = folder / "data", folder / "executed"
        self._repository = Repository.create(folder / "scripts")
        self._repository.commit_files(scripts(self._executed))
        self._base = time.time()
        self._hosts: list[Host] = []
        self._dead: frozenset[int] = frozenset()
        self._acknowledged: set[str] = set()
        self._ended: dict[str, str] = {}

    def run(self, points: list[str], at_once: int) -> None:
        """One cycle for each point, "" for a random moment, with so many processes at once."""
        try:
            for number, point in enumerate(["schema changed", *points]):
                while len(self._hosts) < at_once:
                    self._hosts.append(self._host(point))
                self._cycle()
                if number % 5 == 4:
                    text = "# cron: * * * * *\n" + _BODY.format(rest="") + f"# {number}\n"
                    self._repository.commit_files({"tick0.py": text})
            self._end()
        finally:
            for host in self._hosts:
                os.kill(host.pid, signal.SIGKILL)
                os.waitpid(host.pid, 0)

    def _host(self, point: str) -> Host:
        crash_at = f"{point}:{self._chance.randint(1, 20)}" if point in _OF_RUNS else point
        return Host(self._repository.path, self._data, self._base, crash_at, self._dead)

    def _cycle(self) -> None:
        victim = self._chance.choice(self._hosts)
        if victim.crash_at in ("stop begins", "runs stopped"):
            victim.read_until_ready(30)
            os.kill(victim.pid, signal.SIGTERM)
            victim.read(30)
        elif victim.crash_at:
            victim.read_until_ready(30)
            victim.read(_LONGEST)
        else:
            if self._chance.random() < 0.7:
                victim.read_until_ready(30)
            victim.read(self._chance.uniform(0, 0.3))
        has_crashed = victim.is_gone
        victim.end(signal.SIGKILL)
        self._hosts.remove(victim)
        if victim.is_ready:
            self._check_open(victim)
        self._dead |= {victim.pid}
        self._figures.kills += 1
        self._figures.at_points[victim.crash_at.partition(":")[0] if has_crashed else "random"] += 1
        self._note(victim)
        for other in self._hosts:
            other.read(0)
            self._note(other)
        self._check()

    def _note(self, host: Host) -> None:
        for line in host.lines:
            if line.startswith("+"):
                self._acknowledged.add(line[1:])
            elif line.startswith("="):
                run, _, state = line[1:].partition(" ")
                self._ended[run] = state

    def _end(self) -> None:
        """The last processes stop in order; what they left waiting is done by one more."""
        while self._hosts:
            host = self._hosts.pop()
            host.read_until_ready(30)
            status = host.end(signal.SIGTERM)
            self._note(host)
            if status == 0:
                self._check_stopped(host)
            else:  # it came to the place at which it was to die
                assert (os.WIFSIGNALED(status), bool(host.crash_at)) == (True, True), status
                self._dead |= {host.pid}
        last = Host(self._repository.path, self._data, self._base, known_dead=self._dead)
        self._hosts.append(last)
        last.read_until_ready(30)
        waited = {run for (run,) in self._rows("SELECT id FROM runs WHERE state = 'queued' AND process = ''")}
        eventually(lambda: not waited & self._waiting(), 30, "runs that waited are begun after the start")
        self._hosts.clear()
        assert last.end(signal.SIGTERM) == 0
        self._note(last)
        self._check_stopped(last)
        self._check_open(last)
        self._check()
        self._count()

    def _check_stopped(self, host: Host) -> None:
        left = self._rows(
            f"SELECT id, script, attempt, state FROM runs WHERE state IN {_OPEN} AND process LIKE '{host.pid}:%'"
        )
        assert left == [], f"runs are open after an orderly stop: {left}"

    def _waiting(self) -> set[str]:
        return {run for (run,) in self._rows("SELECT id FROM runs WHERE state = 'queued' AND process = ''")}

    def _check(self) -> None:
        if not (self._data / "history.db").exists():
            return
        assert self._rows("PRAGMA integrity_check") == [("ok",)]
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'replicas'"):
            return
        executed = self._executed.read_text().split() if self._executed.exists() else []
        slots = self._rows("SELECT script, slot_at, run_id, state FROM slots")
        states = dict(self._rows("SELECT id, state FROM runs"))  # last: other processes go on
        assert self._acknowledged <= states.keys(), "an acknowledged run is lost"
        wrong = {run: (state, states[run]) for run, state in self._ended.items() if states[run] != state}
        assert not wrong, f"an acknowledged end is lost: {wrong}"
        self._check_starts(executed, states)
        self._check_slots(slots, states)

    @staticmethod
    def _check_starts(executed: list[str], states: dict[str, str]) -> None:
        twice = [run for run, count in Counter(executed).items() if count > 1]
        assert not twice, f"runs were begun twice: {twice}"
        assert set(executed) <= states.keys(), "a run was begun without a row"

    @staticmethod
    def _check_slots(slots: list[tuple[Any, ...]], states: dict[str, str]) -> None:
        ran = [run for _, _, run, state in slots if state == "ran"]
        assert len(ran) == len(set(ran)), "two slots share a run"
        assert set(ran) <= states.keys()
        for script in {script for script, *_ in slots}:
            times = sorted(at for name, at, *_ in slots if name == script)
            assert times == list(range(times[0], times[-1] + _MINUTE, _MINUTE)), f"a slot of {script} has no row"

    def _check_open(self, host: Host) -> None:
        """Once a process has started no run is open of one that was dead by then."""
        processes = [run for (run,) in self._rows(f"SELECT process FROM runs WHERE state IN {_OPEN}")]
        left = [name for name in processes if name and int(name.partition(":")[0]) in host.known_dead]
        assert not left, f"runs of dead processes are open after a start: {left}"

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self._data / "history.db", timeout=30)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def _count(self) -> None:
        figures = self._figures
        figures.acknowledged += len(self._acknowledged)
        figures.ends += len(self._ended)
        figures.runs += self._rows("SELECT count(*) FROM runs")[0][0]
        figures.lost += self._rows("SELECT count(*) FROM runs WHERE state = 'lost'")[0][0]
        figures.slots += self._rows("SELECT count(*) FROM slots")[0][0]


def every_point(chance: random.Random, cycles: int) -> list[str]:
    """Half of the cycles end at random moments, the others at each point in turn, in a random order."""
    named = [point for point in CRASH_POINTS if point != "schema changed"]  # once in each history
    points = [named[number // 2 % len(named)] if number % 2 else "" for number in range(cycles)]
    chance.shuffle(points)
    return points
