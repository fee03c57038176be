"""A disk of a few megabytes, which can be full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
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


class BreakingDisk:
    """A file system of ext4 which its kernel sets read-only at an error, as ``errors=remount-ro`` has it.

    A file system on which files are open for writing is not set read-only in any other way: it is busy.
    """

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self._image = image

    def mount(self) -> None:
        mount("-o", "loop,errors=remount-ro", str(self._image), str(self.folder))

    def fail(self) -> None:
        """What was written so far is on the disk; nothing more is."""
        assert self.folder.is_mount(), "it would be the disk of this machine"
        os.sync()
        device = os.stat(self.folder).st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("a test\n", encoding="ascii")

    def repair(self) -> None:
        """As a person does it under a process that goes on: away with it, checked, and in its place again."""
        self.unmount()
        # The system would give back what is still in use, as it is.
        self._image = Path(shutil.copy(self._image, self._image.with_suffix(".repaired")))
        done = subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stdout  # nothing wrong, or nothing any more
        self.mount()

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@contextlib.contextmanager
def a_breaking_disk(folder: Path, *, megabytes: int = 64) -> Iterator[BreakingDisk]:
    """Mounted on a folder, for as long as the block. Skips the test where that is not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.ext4")
    if shutil.which("mkfs.ext4") is None or shutil.which("e2fsck") is None:
        pytest.skip("NOT TESTED: a file system cannot be made here: mkfs.ext4 and e2fsck are not installed")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    disk = BreakingDisk(folder, image)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
