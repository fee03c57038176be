"""One system under the same changes as every other: ``python -m benchmarks.peer_guest SYSTEM FOLDER`` prints JSON.

A change is of two files that belong together. What is asked: how long until the new code answers, whether a caller
ever sees one file new and the other old, whether a bad change is applied by half, which code a call under way goes on
with, and whether the old code goes away.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

CHANGES = 20
FREED_AFTER_SECONDS = 5.0
SETTLE_SECONDS = 3.0
GIVE_UP_SECONDS = 15.0

RATES = """
class Rate:
    PAYLOAD = b"x" * 1_000_000

def value():
    return {n}
"""
PRICING = """
import rates

class Price:
    pass

def answer():
    return {n}, rates.value()

def slow(entered, leave):
    first = answer()
    entered.set()
    leave.wait()
    return first, answer()
"""
BREAKS = "\nraise RuntimeError('half way')\n"

Answer = tuple[int, int]


class System(Protocol):
    """What is measured. ``pricing`` gives the module whose functions a host would call now."""

    def start(self, folder: Path, files: Mapping[str, str]) -> None: ...

    def pricing(self) -> Any: ...

    def change(self, files: Mapping[str, str]) -> None:
        """As its user would: save the files, or commit them."""


def files(n: int, ending: str = "") -> dict[str, str]:
    return {"rates.py": RATES.format(n=n), "pricing.py": PRICING.format(n=n) + ending}


def save(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


class Reload:
    """``importlib.reload`` of both modules, the imported one first."""

    def start(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        save(folder, files)
        sys.path.insert(0, str(folder))
        self.module = importlib.import_module("pricing")

    def pricing(self) -> ModuleType:
        return self.module

    def change(self, files: Mapping[str, str]) -> None:
        save(self.folder, files)
        importlib.invalidate_caches()
        with suppress(Exception):  # the exception is the user's to see; what stays behind is what is measured
            importlib.reload(sys.modules["rates"])
            importlib.reload(self.module)


class Jurigged(Reload):
    def start(self, folder: Path, files: Mapping[str, str]) -> None:
        jurigged = importlib.import_module("jurigged")
        save(folder, files)
        sys.path.insert(0, str(folder))
        jurigged.watch(f"{folder}/*.py", logger=lambda event: None)
        super().start(folder, files)

    def change(self, files: Mapping[str, str]) -> None:
        save(self.folder, files)


class Hmr:
    def start(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        entry = folder / "entry.py"
        save(folder, {**files, "entry.py": "import host_of_hmr\nimport pricing\nhost_of_hmr.pricing = pricing\n"})
        self.host = sys.modules["host_of_hmr"] = ModuleType("host_of_hmr")
        sys.path.insert(0, str(folder))
        sys.excepthook = lambda *_: None
        api = importlib.import_module("reactivity.hmr.api")
        api.SyncReloaderAPI(str(entry), includes=[str(folder)]).__enter__()

    def pricing(self) -> Any:
        return self.host.pricing

    def change(self, files: Mapping[str, str]) -> None:
        save(self.folder, files)


class AppDaemon:
    """An app that hands its module to the host when it is started; AppDaemon itself has the main thread."""

    APP = (
        "\nimport sys\nfrom appdaemon.adapi import ADAPI\n\n"
        "class Pricing(ADAPI):\n    def initialize(self):\n"
        "        sys.modules['host_of_apps'].pricing = sys.modules[__name__]\n"
    )

    def start(self, folder: Path, files: Mapping[str, str]) -> None:
        self.host = sys.modules["host_of_apps"] = ModuleType("host_of_apps")
        self.apps = folder / "apps"
        self.apps.mkdir()
        (folder / "appdaemon.yaml").write_text(
            "appdaemon:\n  latitude: 0\n  longitude: 0\n  elevation: 0\n  time_zone: UTC\n"
            "logs:\n  main_log:\n    filename: main.log\n  error_log:\n    filename: error.log\n",
            encoding="utf-8",
        )
        (self.apps / "apps.yaml").write_text("pricing:\n  module: pricing\n  class: Pricing\n", encoding="utf-8")
        self.change(files)
        os.chdir(folder)
        sys.argv = ["appdaemon", "-c", str(folder)]

    def pricing(self) -> Any:
        return self.host.pricing

    def change(self, files: Mapping[str, str]) -> None:
        broken = BREAKS in files["pricing.py"]
        text = files["pricing.py"].removesuffix(BREAKS) + self.APP + (BREAKS if broken else "")
        save(self.apps, {**files, "pricing.py": text})


class Livegraft:
    def start(self, folder: Path, files: Mapping[str, str]) -> None:
        from livegraft import Supervisor

        self.folder = folder / "repository"
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.folder)], check=True)
        self.change(files)
        self.supervisor = Supervisor(self.folder, data=folder / "data", poll_seconds=600)
        self.supervisor.start()
        self.supervisor.sync()

    def pricing(self) -> Any:
        return self.supervisor.live.pricing

    def change(self, files: Mapping[str, str]) -> None:
        stream = "commit refs/heads/main\ncommitter Bench <bench@example.com> 1767225601 +0000\ndata 6\nchange\n"
        if (self.folder / ".git/refs/heads/main").exists():
            stream += "from refs/heads/main^0\n"
        for name, text in files.items():
            stream += f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}\n"
        subprocess.run(["git", "fast-import", "--quiet"], cwd=self.folder, input=stream.encode(), check=True)


SYSTEMS: dict[str, Callable[[], System]] = {
    "importlib.reload": Reload,
    "jurigged": Jurigged,
    "hmr": Hmr,
    "AppDaemon": AppDaemon,
    "livegraft": Livegraft,
}


def answers(system: System, wanted: Callable[[Answer], bool], seconds: float) -> bool:
    """Whether an answer that is wanted comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Exception):
            if wanted(system.pricing().answer()):
                return True
        time.sleep(0.0005)
    return False


def watched(system: System, work: Callable[[], None]) -> tuple[int, int]:
    """How many mixed answers and failed calls two callers without pause see meanwhile."""
    stop, mixed, failed = threading.Event(), [0, 0], [0, 0]

    def call(me: int) -> None:
        while not stop.is_set():
            try:
                one, other = system.pricing().answer()
                mixed[me] += one != other
            except Exception:  # noqa: BLE001 - whatever it is, the caller has no answer
                failed[me] += 1
            time.sleep(0.0001)

    callers = [threading.Thread(target=call, args=(me,), daemon=True) for me in (0, 1)]
    for caller in callers:
        caller.start()
    try:
        work()
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    return sum(mixed), sum(failed)


def experience(system: System) -> dict[str, float | None]:
    took: list[float] = []

    def changes() -> None:
        for n in range(1, CHANGES + 1):
            begin = time.perf_counter()
            system.change(files(n))
            if answers(system, lambda answer, n=n: answer == (n, n), GIVE_UP_SECONDS):  # type: ignore[misc]
                took.append((time.perf_counter() - begin) * 1000)

    mixed, failed = watched(system, changes)
    n = CHANGES

    entered, leave = threading.Event(), threading.Event()
    under_way: list[Any] = []

    def go(slow: Callable[..., Any]) -> None:
        under_way.append(slow(entered, leave))

    thread = threading.Thread(target=go, args=(system.pricing().slow,), daemon=True)
    thread.start()
    entered.wait(GIVE_UP_SECONDS)
    n += 1
    system.change(files(n))
    answers(system, lambda answer: answer == (n, n), GIVE_UP_SECONDS)
    leave.set()
    thread.join(GIVE_UP_SECONDS)
    del thread
    stays = bool(under_way) and under_way[0][0] == under_way[0][1]
    under_way.clear()

    system.change(files(n + 1, BREAKS))
    applied = answers(system, lambda answer: answer != (n, n), SETTLE_SECONDS)
    system.change(files(n + 2))
    recovered = answers(system, lambda answer: answer == (n + 2, n + 2), GIVE_UP_SECONDS)
    return {
        "changed": len(took),
        "median_ms": sorted(took)[len(took) // 2] if took else None,
        "mixed": mixed,
        "failed": failed,
        "under_way_stays": stays,
        "applied_by_half": applied,
        "recovered": recovered,
        "old_classes": old_classes(),
    }


def old_classes() -> int:
    """How many superseded classes are still here, after some time and a collection."""
    deadline = time.monotonic() + FREED_AFTER_SECONDS
    while True:
        gc.collect()
        found = sum(isinstance(each, type) and each.__name__ in ("Price", "Rate") for each in gc.get_objects())
        if found <= 2 or time.monotonic() > deadline:
            return found - 2
        time.sleep(0.1)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True)
    sys.dont_write_bytecode = True
    system = SYSTEMS[name]()
    system.start(folder, files(0))

    def measure() -> None:
        try:
            if not answers(system, lambda answer: answer == (0, 0), 60):
                raise RuntimeError("it never answered")
            result: dict[str, Any] = experience(system)
        except BaseException as error:  # noqa: BLE001 - told to who measures
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=sys.__stdout__, flush=True)
        os._exit(0)

    if isinstance(system, AppDaemon):
        threading.Thread(target=measure, daemon=True).start()
        importlib.import_module("appdaemon.__main__").main()
    else:
        measure()


if __name__ == "__main__":
    main()
