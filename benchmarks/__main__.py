"""Measure everything: ``python -m benchmarks [PART ...]`` with the parts that ``PARTS`` names."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import (
    calls,
    figures,
    history,
    loading,
    output,
    pages,
    peers,
    postgresql,
    probing,
    recovering,
    run_peers,
    runs,
    shared,
    starting,
    stopping,
    ticking,
    unloading,
)

PARTS = {
    "loading": loading.measure,
    "starting": starting.measure,
    "unloading": unloading.measure,
    "calls": calls.measure,
    "probing": probing.measure,
    "runs": runs.measure,
    "recovering": recovering.measure,
    "postgresql": postgresql.measure,
    "output": output.measure,
    "history": history.measure,
    "pages": pages.measure,
    "ticking": ticking.measure,
    "stopping": stopping.measure,
    "shared": shared.measure,
    "peers": peers.measure,
    "run_peers": run_peers.measure,
}


def main() -> None:
    wanted = sys.argv[1:] or list(PARTS)
    with tempfile.TemporaryDirectory(prefix="livegraft-bench-") as folder:
        found = [figure for part in wanted for figure in PARTS[part](Path(folder) / part)]
    figures.show(found)
    figures.write(found, Path("build/bench.json"))


if __name__ == "__main__":
    main()
