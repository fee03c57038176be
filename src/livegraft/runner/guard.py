"""What a run changes in the whole process is noticed, told in its output, and put back.

Runs beside each other share the process, so a change is told to every run that saw it, and put
back when the last run in progress has ended: earlier it could be taken from under a run that relies on it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livegraft.runner.capture import capture

_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """The state of the process that a script could change for everyone."""

    folder: str | None
    stdout: Any
    stderr: Any

    @classmethod
    def now(cls) -> Surroundings:
        return cls(_folder(), sys.stdout, sys.stderr)


class Guard:
    """Looks at the surroundings before and after each run, and knows what they were before any run.

    The umask is slower to read, so it is compared only when no run is left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run_count = 0
        self._calm = Surroundings(None, None, None)
        self._calm_umask: int | None = None

    def enter(self) -> Surroundings:
        """A run begins: what it finds."""
        with self._lock:
            capture.prepare()
            now = Surroundings.now()
            if self._run_count == 0:
                self._calm, self._calm_umask = now, _umask()
            self._run_count += 1
            return now

    def leave(self, before: Surroundings) -> list[str]:
        """A run ended: what is different now from what it found and from what the host had, in words."""
        with self._lock:
            self._run_count -= 1
            now = Surroundings.now()
            changes = _changes(before, self._calm, now)
            if self._run_count == 0:
                changes += self._calm_down(now)
        return changes

    def _calm_down(self, now: Surroundings) -> list[str]:
        calm = self._calm
        if calm.folder is not None and now.folder != calm.folder:
            # A folder that is gone cannot be gone back to.
            with contextlib.suppress(OSError):
                os.chdir(calm.folder)
        sys.stdout, sys.stderr = calm.stdout, calm.stderr
        capture.rest()
        umask = _umask()
        if umask is None or self._calm_umask is None or umask == self._calm_umask:
            return []
        os.umask(self._calm_umask)
        return [f"the umask (now {umask:03o}, was {self._calm_umask:03o})"]


guard: Final = Guard()
"""The one of this process: what it guards belongs to the process too."""


def _changes(before: Surroundings, calm: Surroundings, now: Surroundings) -> list[str]:
    found = []
    if now.folder not in (before.folder, calm.folder):
        found.append(f"the working directory (now {now.folder!r}, was {before.folder!r})")
    return found + [f"sys.{name}" for name in ("stdout", "stderr") if _replaced(name, before, calm, now)]


def _replaced(name: str, before: Surroundings, calm: Surroundings, now: Surroundings) -> bool:
    return all(getattr(now, name) is not getattr(earlier, name) for earlier in (before, calm))


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _umask() -> int | None:
    """Read from the kernel: asking with ``os.umask`` would change it for a moment, for all threads."""
    with contextlib.suppress(OSError), _STATUS.open("rb", buffering=0) as file:
        for line in file.read(256).splitlines():
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return None
