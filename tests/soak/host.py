"""``python -m tests.soak.host REPOSITORY DATA``: a host that starts runs each second and tells its size, a line each.

Until SIGTERM; then it stops in order.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from livegraft import LivegraftError, Supervisor
from livegraft.run import Trigger
from tests.soak.memory import memory_by_owner

SCRIPTS = ("greet", "naps", "greet", "fails", "alone")
_TELL_SECONDS = 5.0


def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    repository, data = Path(sys.argv[1]), Path(sys.argv[2])
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: leaving.set())
    with Supervisor(repository, data=data, breaker_failures=0, settle_seconds=0) as supervisor:
        refused = Counter[str]()
        threading.Thread(target=_start_runs, args=(supervisor, leaving, refused), daemon=True).start()
        me = psutil.Process()
        while not leaving.wait(_TELL_SECONDS):
            print(json.dumps(_size(me, supervisor, data) | {"refused": dict(refused)}), flush=True)


def _start_runs(supervisor: Supervisor, leaving: threading.Event, refused: Counter[str]) -> None:
    number = 0
    while not leaving.wait(1.0):
        for script in (SCRIPTS[number % len(SCRIPTS)], "greet"):
            try:
                supervisor.submit(script, {}, trigger=Trigger.API, actor="soak")
            except LivegraftError as error:
                refused[error.code] += 1
        number += 1
        if number % 20 == 0:
            # Long runs of few objects each: what Python frees by itself late must not be taken for a leak.
            gc.collect()


def _size(me: psutil.Process, supervisor: Supervisor, data: Path) -> dict[str, float]:
    tasks = sum(isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects())
    return {
        "at": time.time(),
        "memory": me.memory_info().rss,
        **memory_by_owner(),
        "descriptors": me.num_fds(),
        "threads": threading.active_count(),
        "tasks": tasks,
        "children": len(me.children(recursive=True)),
        "versions": len(supervisor.versions()),
        "history": sum(file.stat().st_size for file in data.glob("history.db*")),
    }


if __name__ == "__main__":
    main()
