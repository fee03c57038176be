"""``python -m tests.soak --hours 1``: the figures of what was seen go to ``build/soak.json``."""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.support import Repository

_FAULT_EVERY_SECONDS = 15.0
_FAULT_SECONDS = 3.0
_ISOLATED = '# /// script\n# [tool.livegraft]\n# isolation = "process"\n# ///\n'
_SCRIPTS = {
    "helper.py": "def words():\n    return ['one', 'two'] * 100\n",
    "naps.py": "import asyncio\n\nasync def run():\n    await asyncio.sleep(0.2)\n    print('woke')\n",
    "fails.py": "def run():\n    raise ValueError('no')\n",
    "alone.py": _ISOLATED + "def run():\n    print('alone')\n    return 1\n",
    "minute.py": "# cron: * * * * *\ndef run():\n    print('tick')\n",
}


def greeting(number: int) -> str:
    return f"from helper import words\n\ndef run():\n    print(words()[0])\n    return {number}\n"


class Soak:
    """One host under work, and what is done to it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        self._repository = Repository.create(folder / "scripts")
        self._repository.commit_files({**_SCRIPTS, "greet.py": greeting(0)})
        self.samples: list[dict[str, Any]] = []
        self.faults: Counter[str] = Counter()
        self.commits = 0
        self._host = self._a_host(stdout=subprocess.PIPE)
        threading.Thread(target=self._listen, daemon=True).start()

    def _a_host(self, stdout: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.soak.host", str(self._repository.path), str(self._data)]
        with (self._folder / "host.log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(command, stdout=stdout, stderr=log, text=True, start_new_session=True)

    def _listen(self) -> None:
        assert self._host.stdout is not None
        for line in self._host.stdout:
            self.samples.append(json.loads(line))

    def go(self, seconds: float) -> None:
        """A commit each second and a fault now and then."""
        faults = cycle((self._stopped, self._locked, self._away, self._neighbour_killed, self._broken))
        until, fault_at = time.monotonic() + seconds, time.monotonic() + _FAULT_EVERY_SECONDS
        while time.monotonic() < until:
            assert self._host.poll() is None, "the host died"
            time.sleep(1.0)
            self.commits += 1
            self._repository.commit_files({"greet.py": greeting(self.commits)})
            if time.monotonic() >= fault_at:
                fault = next(faults)
                self.faults[fault.__name__.strip("_")] += 1
                fault()
                fault_at = time.monotonic() + _FAULT_EVERY_SECONDS

    def _stopped(self) -> None:
        self._host.send_signal(signal.SIGSTOP)
        time.sleep(_FAULT_SECONDS)
        self._host.send_signal(signal.SIGCONT)

    def _locked(self) -> None:
        connection = sqlite3.connect(self._data / "history.db", timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(_FAULT_SECONDS)
        connection.execute("ROLLBACK")
        connection.close()

    def _away(self) -> None:
        path = self._repository.path
        away = path.with_name("away")
        path.rename(away)
        time.sleep(_FAULT_SECONDS)
        away.rename(path)

    def _neighbour_killed(self) -> None:
        neighbour = self._a_host(stdout=subprocess.DEVNULL)
        time.sleep(3 * _FAULT_SECONDS)
        neighbour.kill()
        neighbour.wait()

    def _broken(self) -> None:
        self._repository.commit_files({"greet.py": "def run(:\n"})

    def stop(self) -> float:
        """Stop the host in order; the seconds that it took."""
        began = time.monotonic()
        self._host.send_signal(signal.SIGTERM)
        assert self._host.wait(60) == 0
        return time.monotonic() - began

    def end(self) -> None:
        """End the host however it is."""
        self._host.kill()
        self._host.wait()

    @contextmanager
    def history(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._data / "history.db", timeout=30)
        try:
            yield connection
        finally:
            connection.close()

    def figures(self) -> dict[str, Any]:
        """What grew over the later two thirds, when all is warm; what became of slots and runs."""
        samples = self.samples[len(self.samples) // 3 :]
        hours = (self.samples[-1]["at"] - self.samples[0]["at"]) / 3600
        with self.history() as history:
            slots = dict(history.execute("SELECT state, count(*) FROM slots GROUP BY state").fetchall())
            runs = dict(history.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall())
            first, last = history.execute("SELECT min(slot_at), max(slot_at) FROM slots").fetchone()
            whole = history.execute("PRAGMA integrity_check").fetchone()[0]
        due = (last - first) // 60_000_000 + 1 if last else 0
        owners = ("memory", "malloc", "malloc_free", "sqlite", "history")
        return {
            "hours": round(hours, 3),
            **{f"{name}_mib_an_hour": round(_slope(samples, name) / 2**20, 2) for name in owners},
            "blocks_an_hour": round(_slope(samples, "blocks")),
            "memory_mib": [round(self.samples[k]["memory"] / 2**20, 1) for k in (0, len(self.samples) // 3, -1)],
            "last_third_mib_an_hour": round(_slope(self.samples[-len(self.samples) // 3 :], "memory") / 2**20, 2),
            **{name: _range(samples, name) for name in ("descriptors", "threads", "tasks", "children", "versions")},
            "commits": self.commits,
            "faults": dict(self.faults),
            "refused": self.samples[-1]["refused"],
            "runs": runs,
            "slots": slots,
            "slots_without_a_row": due - sum(slots.values()),
            "integrity_check": whole,
        }


def _slope(samples: list[dict[str, Any]], name: str) -> float:
    """By least squares, an hour."""
    times, values = [each["at"] / 3600 for each in samples], [each[name] for each in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    together = sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True))
    return float(together / spread)


def _range(samples: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """At the beginning and at the end, as the mean of a tenth of the samples each, and the most."""
    values = [each[name] for each in samples]
    tenth = max(1, len(values) // 10)
    return {
        "begin": round(sum(values[:tenth]) / tenth, 1),
        "end": round(sum(values[-tenth:]) / tenth, 1),
        "most": max(values),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--report", type=Path, default=Path("build/soak.json"))
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="livegraft-soak-") as folder:
        soak = Soak(Path(folder))
        try:
            soak.go(3600 * told.hours)
            took = soak.stop()
            report = {**soak.figures(), "stop_seconds": round(took, 2)}
        finally:
            soak.end()
        told.report.parent.mkdir(parents=True, exist_ok=True)
        told.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        told.report.with_suffix(".samples.json").write_text(json.dumps(soak.samples), encoding="utf-8")
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
