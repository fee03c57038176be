"""What a call of live code costs against a direct call of the same function, on each Python that is here.

Times are those of the calling thread on the processor. The forms take turns in many short rounds, and each is compared
with the direct call of its own round, both without what the loop costs; the median of all rounds counts. "Two plain
reads" is the floor: the same call through an object and a module that have nothing to do with livegraft. Before 3.12
the floor of everything that finds names when they are asked for is the same of a class that has ``__getattr__``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.figures import Figure, median, told
from benchmarks.pythons import VERSIONS, environment_of
from benchmarks.repositories import commit_one, repository_of
from livegraft import Supervisor

ROUNDS = 600
CALLS = {"empty": 4_000, "work": 400}
GOALS = {"empty": 1.2, "work": 1.02}
TEXT = "def empty(a, b): return a\ndef work(a, b):\n    for _ in range({0}): a = b\n    return a\n"
FORMS = {
    "loop": "pass",
    "direct": "f(1, 2)",
    "two plain reads": "plain.priced.{0}(1, 2)",
    "two reads of a class with __getattr__": "lazy.priced.{0}(1, 2)",
    "namespace": "live.priced.{0}(1, 2)",
    "package": "live.shop.priced.{0}(1, 2)",
    "function()": "handed(1, 2)",
}


def measure(folder: Path) -> Iterator[Figure]:
    root = Path(__file__).parents[1]
    for version in VERSIONS:
        with told(f"live calls, CPython {version}"):
            python = environment_of(version)
            if python is None:
                print(f" NOT MEASURED: no environment for it (tools/matrix.sh {version} makes one) ...", end="")
                continue
            path = os.pathsep.join((str(root / "src"), str(root)))
            done = subprocess.run(
                [str(python), "-m", "benchmarks.calls", str(folder / version)],
                env={**os.environ, "PYTHONPATH": path},
                cwd=root,
                stdout=subprocess.PIPE,
                check=True,
            )
            yield from _figures(version, json.loads(done.stdout))


def _figures(version: str, found: Mapping[str, Mapping[str, float]]) -> Iterator[Figure]:
    """``found`` has, by function, the nanoseconds of a direct call and the ratio of each other form to it."""
    for name, forms in found.items():
        yield Figure(f"direct call, {name} function, CPython {version}", forms["direct"], "ns")
        for form in [each for each in FORMS if each not in ("loop", "direct")]:
            # 3.11 specialises no read of a class that has __getattr__: an empty function shows that, real work hardly.
            is_goal = form == "namespace" and (version != "3.11" or name == "work")
            what = f"call through {form}, {name} function, against direct, CPython {version}"
            yield Figure(what, forms[form], "x", GOALS[name] if is_goal else None)


def measure_here(folder: Path) -> dict[str, dict[str, float]]:
    """On this Python, by function: the nanoseconds of a direct call, and the ratio of each other form to it."""
    text = TEXT.format(_loops_of_a_microsecond())
    repository = repository_of(folder / "repository", 1)
    commit_one(repository, "priced.py", text)
    commit_one(repository, "shop/priced.py", text)
    with Supervisor(repository.path, data=folder / "data", poll_seconds=600, probe=False) as supervisor:
        plain = Plain(ModuleType("priced"))
        lazy = Lazy(plain.priced)
        vars(plain.priced).update(vars(supervisor.live.priced))
        found = {}
        for name, calls in CALLS.items():
            given = (getattr(plain.priced, name), plain, lazy, supervisor.live, supervisor.function(f"priced:{name}"))
            loops = {form: _loop(call.format(name)) for form, call in FORMS.items()}
            rounds = [{form: loop(calls, *given) for form, loop in loops.items()} for _ in range(ROUNDS)]
            direct = [each["direct"] - each["loop"] for each in rounds]
            found[name] = {"direct": median(direct) / calls}
            for form in [each for each in FORMS if each not in ("loop", "direct")]:
                ours = [each[form] - each["loop"] for each in rounds]
                found[name][form] = median([mine / its for mine, its in zip(ours, direct, strict=True)])
            del given
        vars(plain.priced).clear()
    return found


class Plain:
    """An object whose attribute is a module."""

    def __init__(self, priced: ModuleType) -> None:
        self.priced = priced


class Lazy(Plain):
    """The same, which looks for attributes that it does not have."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _loop(call: str) -> Callable[..., int]:
    """A function of its own for each form, so that each has inline caches of its own."""
    text = (
        "def loop(count, f, plain, lazy, live, handed):\n"
        "    begin = clock()\n"
        "    for _ in range(count):\n"
        f"        {call}\n"
        "    return clock() - begin\n"
    )
    scope: dict[str, Any] = {"clock": time.thread_time_ns}
    exec(text, scope)
    made: Callable[..., int] = scope["loop"]
    return made


def _loops_of_a_microsecond() -> int:
    scope: dict[str, Any] = {}
    exec(TEXT.format(100), scope)
    loop = _loop("f(1, 2)")
    least = min(loop(1_000, scope["work"], None, None, None, None) for _ in range(50)) / 1_000
    return max(1, round(100 * 1_000 / least))


if __name__ == "__main__":
    json.dump(measure_here(Path(sys.argv[1])), sys.stdout)
