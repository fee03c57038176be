"""livegraft side by side with what reloads Python code today, each in a process of its own, on the same changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure, told
from benchmarks.peer_guest import CHANGES, SYSTEMS
from benchmarks.pythons import python_of

PACKAGES: Final = ("jurigged", "hmr", "appdaemon")
OLDEST: Final = "3.12"
"""What the youngest of the peers asks for; all are measured on the same Python."""

SECONDS: Final = 300


def measure(folder: Path) -> Iterator[Figure]:
    python = environment(folder / "environment")
    if python is None:
        return
    for name in SYSTEMS:
        with told(f"a change, its fault and its end with {name}"):
            found = experience(python, name, folder / name)
        if "error" in found:
            print(f"NOT MEASURED: {name}: {found['error']}", file=sys.stderr)
            continue
        yield from figures(name, found)


def figures(name: str, found: dict[str, Any]) -> Iterator[Figure]:
    ours = 0.0 if name == "livegraft" else None
    missed = CHANGES - found["changed"]
    if found["median_ms"] is not None:
        yield Figure(f"{name}: from the change to the new answer, p50", found["median_ms"], "ms")
    yield Figure(f"{name}: changes of {CHANGES} that never answered", missed, "changes", ours)
    yield Figure(f"{name}: mixed answers seen", found["mixed"], "answers", ours)
    yield Figure(f"{name}: failed calls", found["failed"], "calls", ours)
    yield Figure(f"{name}: a call under way went on with new code", not found["under_way_stays"], "yes/no", ours)
    yield Figure(f"{name}: a bad change was applied by half", found["applied_by_half"], "yes/no", ours)
    yield Figure(f"{name}: the next good change did not answer", not found["recovered"], "yes/no", ours)
    yield Figure(f"{name}: superseded classes still here", found["old_classes"], "classes", ours)


def environment(folder: Path) -> Path | None:
    """A Python with livegraft's dependencies and the peers; None, said loudly, when it cannot be made."""
    base = python_of(OLDEST)
    if base is None:
        print(f"NOT MEASURED: the peers need CPython {OLDEST}, which is not on this machine", file=sys.stderr)
        return None
    python = folder / "bin" / "python"
    steps = (
        [str(base), "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", "requirements/runtime.lock"],
        [str(python), "-m", "pip", "install", "-q", *PACKAGES],
    )
    with told("nothing yet: installing the peers"):
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                print(f"NOT MEASURED: the peers cannot be installed: {done.stderr[-300:]}", file=sys.stderr)
                return None
    return python


def experience(python: Path, name: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-m", "benchmarks.peer_guest", name, str(folder)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": f"{Path('src').absolute()}{os.pathsep}{Path().absolute()}"},
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not answers:
        return {"error": f"it ended with status {done.returncode}: {done.stderr[-300:]}"}
    found: dict[str, Any] = json.loads(answers[-1])
    return found
