"""What a run changes in the whole process is noticed, told in its output, and put back.

Runs beside each other share the process, so a change is told to every run that saw it, and put
back when the last run in progress has ended: earlier it could be taken from under a run that
relies on it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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

    def changes(self) -> list[str]:
        """What is different now, in words."""
        now = Surroundings.now()
        found = []
        if now.folder != self.folder:
            found.append(f"the working directory (now {now.folder!r}, was {self.folder!r})")
        if now.umask is not None and self.umask is not None and now.umask != self.umask:
            found.append(f"the umask (now {now.umask:03o}, was {self.umask:03o})")
        found += [f"sys.{name}" for name in ("stdout", "stderr") if getattr(now, name) is not getattr(self, name)]
        return found

    def restore(self) -> None:
        """Put it all back; a folder that is gone cannot be."""
        if self.folder is not None and _folder() != self.folder:
            with contextlib.suppress(OSError):
                os.chdir(self.folder)
        if self.umask is not None:
            os.umask(self.umask)
        sys.stdout, sys.stderr = self.stdout, self.stderr


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
