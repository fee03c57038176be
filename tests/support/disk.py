"""A disk of a few megabytes, which can be full."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class SmallDisk:
    """A file system in memory; ``fill`` leaves nothing of it, ``free`` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        self._ballast.unlink()

    def is_full(self) -> bool:
        try:
            with (self.folder / "one-more").open("wb") as file:
                file.write(bytes(1 << 12))
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            (self.folder / "one-more").unlink(missing_ok=True)
        return False


@contextlib.contextmanager
def a_small_disk(folder: Path, *, megabytes: int = 24) -> Iterator[SmallDisk]:
    """Mounted on a folder, for as long as the block. Skips the test where that is not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={megabytes}m", "livegraft-test", str(folder))
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def mount(*words: str) -> None:
    """Skips the test where it is not permitted: for that take root, or a user namespace."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        why = done.stderr.strip() if done is not None else "this user is not root"
        pytest.skip(f"NOT TESTED: a small file system cannot be mounted here: {why}")
