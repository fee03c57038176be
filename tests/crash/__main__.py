"""``python -m tests.crash``: many cycles, with the figures of what was seen in ``build/crash.json``."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path

from tests.crash.cycles import Figures, Generation, every_point

_CYCLES_EACH = 100
"""Cycles over one history: then a new one begins."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no history after so many")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--report", type=Path, default=Path("build/crash.json"))
    told = parser.parse_args()
    figures, began = Figures(), time.monotonic()
    chance = random.Random(told.seed)
    with tempfile.TemporaryDirectory(prefix="livegraft-crash-") as folder:
        number = 0
        while figures.kills < told.cycles and time.monotonic() - began < 60 * told.minutes:
            number += 1
            history = Path(folder) / str(number)
            points = every_point(chance, min(_CYCLES_EACH, told.cycles - figures.kills) - 1)
            try:
                Generation(history, chance, figures).run(points, at_once=1 + number % 2)
            except BaseException:
                kept = Path("build") / f"crash-{told.seed}-{number}"
                shutil.copytree(history, kept, dirs_exist_ok=True, symlinks=True)
                print(f"seed {told.seed}, history {number}: kept in {kept}", flush=True)
                raise
            shutil.rmtree(history)
            figures.seconds = time.monotonic() - began
            report = {"seed": told.seed, "histories": number, **vars(figures)}
            told.report.parent.mkdir(parents=True, exist_ok=True)
            told.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            print(f"{figures.kills} kills, {figures.acknowledged} runs acknowledged, {figures.slots} slots", flush=True)


if __name__ == "__main__":
    main()
