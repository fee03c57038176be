"""One measured figure, its goal, and the table and file of all of them."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """``goal`` is the most that ``value`` may be (the least, with ``at_least``); None when there is none yet."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that is not below such a share of all (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what is being measured, and how long that took."""
    print(f"measuring {what} ...", end="", flush=True)
    begin = time.perf_counter()
    yield
    print(f" {time.perf_counter() - begin:.1f} s", flush=True)


def show(figures: Sequence[Figure]) -> None:
    width = max(len(figure.name) for figure in figures)
    print(f"\n{'figure':<{width}}  {'value':>12} {'unit':<10} {'goal':>10}  met")
    for figure in figures:
        sign = ">=" if figure.at_least else "<="
        goal = "" if figure.goal is None else f"{sign} {figure.goal:g}"
        met = {None: "", True: "yes", False: "NO"}[figure.met]
        print(f"{figure.name:<{width}}  {figure.value:>12.4g} {figure.unit:<10} {goal:>10}  {met}")


def write(figures: Sequence[Figure], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(figure), "met": figure.met} for figure in figures]
    file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
