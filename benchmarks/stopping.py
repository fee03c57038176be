"""Figures of an orderly stop: how long a server takes to leave whose runs do not want to end."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, told
from tests.support import Repository, eventually
from tests.support.server import a_server
from tests.support.stubborn import TASK, THREAD

TIMES = 3
RUNS = 3
"""Of each mode, at once."""

DEADLINE = 4
LEAVES_WITHIN = 2
"""Seconds behind the deadline within which a server has left."""

PROCESS = f"""
# /// script
# [tool.livegraft]
# isolation = "process"
# ///
import signal
{THREAD.replace("    while", "    signal.signal(signal.SIGTERM, signal.SIG_IGN)" + chr(10) + "    while", 1)}
"""
MODES = {"thread": THREAD, "task": TASK, "process": PROCESS}


def measure(folder: Path) -> Iterator[Figure]:
    ways: dict[str, Sequence[str]] = {mode: [mode] for mode in MODES} | {"each mode": list(MODES)}
    with told("stopping"):
        for name, modes in ways.items():
            took = [leaves_in(folder / f"{name}{n}", modes, DEADLINE) - DEADLINE for n in range(TIMES)]
            what = (
                f"{RUNS * len(modes)} runs of {name} that do not end: from the deadline of {DEADLINE} s until it left"
            )
            yield Figure(f"{what}, longest of {TIMES}", max(took), "s", LEAVES_WITHIN)
        took = [leaves_in(folder / f"hurried{n}", list(MODES), 600, signals=2) for n in range(TIMES)]
        what = f"the same {RUNS * len(MODES)}, from a second signal, which comes at once, until it left"
        yield Figure(f"{what}, longest of {TIMES}", max(took), "s", LEAVES_WITHIN)
        took = [leaves_in(folder / "idle", [], DEADLINE) for _ in range(TIMES)]
        yield Figure(f"without runs, from the signal until it left, longest of {TIMES}", max(took), "s", LEAVES_WITHIN)


def leaves_in(folder: Path, modes: Sequence[str], deadline: float, *, signals: int = 1) -> float:
    repository = Repository.create(folder / "repository")
    repository.commit_files({f"{mode}.py": body for mode, body in MODES.items()})
    with a_server(repository.path, folder, "--stop-seconds", str(deadline)) as server:
        for mode in modes:
            for _ in range(RUNS):
                server.post(f"/scripts/{mode}/runs", {"arguments": {}})
        count = RUNS * len(modes)
        eventually(lambda: [run["state"] for run in server.get("/runs")["runs"]].count("running") == count)
        assert server.process is not None
        began = time.monotonic()
        for _ in range(signals):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)  # one right behind the other is one
        assert server.wait_for_its_end() == 0
        took = time.monotonic() - began
    with closing(sqlite3.connect(server.data / "history.db")) as history:
        states = history.execute("SELECT state FROM runs").fetchall()
    assert len(states) == count
    assert {state for (state,) in states} <= {"stuck", "cancelled"}, states
    return took
