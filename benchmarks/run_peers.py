"""Light runs side by side with what runs Python functions today, each in an environment and processes of its own.

What these systems are for is more than this: Celery and Dramatiq spread work over many machines, Prefect keeps flows of
many steps. Measured is one thing that all of them do: run a function now, and keep what it returns.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure, median, told
from benchmarks.pythons import python_of
from benchmarks.redis_server import redis
from benchmarks.run_guest import RUNS, SYSTEMS

PACKAGES: Final = {"Celery": "celery[redis]", "Dramatiq": "dramatiq[redis]", "Prefect": "prefect>=3,<4"}
"""What is installed for the systems whose names begin so."""

SECONDS: Final = 900


def measure(folder: Path) -> Iterator[Figure]:
    pythons = {product: environment(folder / product, package) for product, package in PACKAGES.items()}
    with redis(folder / "redis") as address:
        for name in SYSTEMS:
            product = name.partition(",")[0].partition(" ")[0]
            python = pythons.get(product, Path(sys.executable))
            if python is None or ("Redis" in name and address is None):
                continue
            with told(f"{RUNS} light runs with {name}"):
                found = experience(python, name, folder / name.replace(" ", "-"), address or "")
            if "error" in found:
                print(f"NOT MEASURED: {name}: {found['error']}", file=sys.stderr)
                continue
            if "version" in found:
                print(f"  that was {product} {found['version']}")
            yield from figures(name, found)


def figures(name: str, found: dict[str, Any]) -> Iterator[Figure]:
    yield Figure(f"{name}: start to first line, p50", median(found["first_ms"]), "ms")
    yield Figure(f"{name}: start to recorded result, p50", median(found["recorded_ms"]), "ms")
    yield Figure(f"{name}: {RUNS} started at once, all recorded", found["at_once_ms"], "ms")


def environment(folder: Path, package: str) -> Path | None:
    """A Python with one of the systems; None, said loudly, when it does not install."""
    base = python_of(f"{sys.version_info.major}.{sys.version_info.minor}")
    python = folder / "bin" / "python"
    steps = (
        [str(base), "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", package],
    )
    with told(f"nothing yet: installing {package}"):
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                print(f"NOT MEASURED: {package} is not installed: {done.stderr[-300:]}", file=sys.stderr)
                return None
    return python


def experience(python: Path, name: str, folder: Path, redis: str) -> dict[str, Any]:
    guest = subprocess.Popen(
        [str(python), "-m", "benchmarks.run_guest", name, str(folder), redis],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{Path('src').absolute()}{os.pathsep}{Path().absolute()}"},
        start_new_session=True,
    )
    try:
        out, err = guest.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return {"error": f"it took more than {SECONDS} s"}
    finally:
        with suppress(ProcessLookupError):  # its services end before it; what did not ends here
            os.killpg(guest.pid, signal.SIGKILL)
        guest.wait()
    answers = [line for line in out.splitlines() if line.startswith("{")]
    if not answers:
        return {"error": f"it ended with status {guest.returncode}: {err[-300:]}"}
    found: dict[str, Any] = json.loads(answers[-1])
    return found
