"""What a process has open."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path


def descriptors() -> Counter[str]:
    """What this process has open, by kind of file; without the store's, whose pool opens connections as they are asked
    for: at most so many, each with its file and the journal."""
    targets = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the listing itself
            targets.append(os.readlink(f"/proc/self/fd/{fd}").partition(":[")[0])
    return Counter(target for target in targets if ".db" not in Path(target).name)
