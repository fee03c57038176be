"""One server over a data folder: a second one says who is there, and what to do.

The lock is the process's and the kernel lets go of it however that ends; what the process started does not have it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from livegraft.errors import ConfigurationError
from livegraft.supervisor import make_data_folder


@contextmanager
def alone_in(folder: Path, *, share: bool) -> Iterator[Callable[[str], None]]:
    """Have the folder for this server; the function that is given takes the address of its pages.

    With ``share`` another server may be there. Raises ConfigurationError when one is and it may not.
    """
    make_data_folder(folder)
    with (folder / "server.lock").open("a+", encoding="utf-8") as file:
        has_lock = _lock(file)
        if not has_lock and not share:
            raise ConfigurationError(_who_is_there(folder, file))
        begun = datetime.now(UTC)

        def serves_at(address: str) -> None:
            if has_lock:
                file.truncate(0)
                json.dump({"pid": os.getpid(), "since": f"{begun:%Y-%m-%d %H:%M:%S} UTC", "address": address}, file)
                file.flush()

        serves_at("")
        yield serves_at


def _lock(file: TextIO) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _who_is_there(folder: Path, file: TextIO) -> str:
    file.seek(0)
    try:
        told = json.load(file)
    except ValueError:  # it is about to tell
        told = {}
    pid = told.get("pid", "that `fuser` tells of its server.lock")
    where = f" at {told['address']}" if told.get("address") else ""
    since = f" since {told['since']}" if told.get("since") else ""
    return (
        f"expected no other server over the data folder {folder}, process {pid} serves from it{since}{where}: use that "
        f"one, or end it (kill {told.get('pid', 'PID')}), or give this one a folder of its own (--data); with --share "
        "both share the history and the runs that wait"
    )
