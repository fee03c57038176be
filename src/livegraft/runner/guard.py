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
    """The state of the process that a script could change for everyone. ``umask`` is None where it cannot be read."""

    folder: str | None
    umask: int | None
    stdout: Any
    stderr: Any

    @classmethod
    def now(cls) -> Surroundings:
        return cls(_folder(), _umask(), sys.stdout, sys.stderr)


class Guard:
    """Looks at the surroundings before and after each run, and knows what they were before any run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run_count = 0
        self._calm: Surroundings | None = None

    def enter(self) -> Surroundings:
        """A run begins: what it finds."""
        with self._lock:
            capture.prepare()
            self._run_count += 1
            now = Surroundings.now()
            if self._calm is None:
                self._calm = now
            return now

    def leave(self, before: Surroundings) -> list[str]:
        """A run ended: what is different now from what it found and from what the host had, in words."""
        with self._lock:
            self._run_count -= 1
            calm = self._calm or before
            now = Surroundings.now()
            changes = _changes(before, calm, now)
            if self._run_count == 0:
                self._calm = None
                _restore(calm, now)
                capture.rest()
        return changes


guard: Final = Guard()
"""The one of this process: what it guards belongs to the process too."""


def _changes(before: Surroundings, calm: Surroundings, now: Surroundings) -> list[str]:
    found = []
    if now.folder not in (before.folder, calm.folder):
        found.append(f"the working directory (now {now.folder!r}, was {before.folder!r})")
    if now.umask not in (before.umask, calm.umask):
        found.append(f"the umask (now {now.umask or 0:03o}, was {before.umask or 0:03o})")
    return found + [f"sys.{name}" for name in ("stdout", "stderr") if _replaced(name, before, calm, now)]


def _replaced(name: str, before: Surroundings, calm: Surroundings, now: Surroundings) -> bool:
    return all(getattr(now, name) is not getattr(earlier, name) for earlier in (before, calm))


def _restore(calm: Surroundings, now: Surroundings) -> None:
    if calm.folder is not None and now.folder != calm.folder:
        # A folder that is gone cannot be gone back to.
        with contextlib.suppress(OSError):
            os.chdir(calm.folder)
    if calm.umask is not None and now.umask != calm.umask:
        os.umask(calm.umask)
    sys.stdout, sys.stderr = calm.stdout, calm.stderr


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
