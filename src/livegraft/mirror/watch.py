"""Noticing at once that a local folder changed."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import watchfiles

from livegraft.mirror.inotify import FolderWatcher
from livegraft.mirror.local import common_folder

logger = logging.getLogger(__name__)

STEP_MILLISECONDS = 10
DEBOUNCE_MILLISECONDS = 50
_HAS_INOTIFY: bool = sys.platform == "linux"  # not a constant for the type checker: both ways are checked

BRANCH_FOLDERS = ("refs/heads", "reftable")


class Watcher:
    """Calls ``changed`` from a thread of its own when a file that ``concerns`` it changes in or below the folders."""

    def __init__(
        self, folders: Sequence[Path], *, concerns: Callable[[Path], bool], changed: Callable[[], None]
    ) -> None:
        self._folders = folders
        self._concerns = concerns
        self._changed = changed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="livegraft-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. Idempotent; ``changed`` may call it."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        changes = watchfiles.watch(
            *self._folders,
            watch_filter=lambda _, file: self._concerns(Path(file)),
            debounce=DEBOUNCE_MILLISECONDS,
            step=STEP_MILLISECONDS,
            stop_event=self._stopped,
            raise_interrupt=False,
        )
        try:
            for _ in changes:
                self._changed()
        except (OSError, RuntimeError) as error:
            # The machine has no watches left, or the folder is gone: polling still finds every change.
            logger.warning("expected to watch %s, cannot: %s; changes are found by polling", self._folders[0], error)


class Watching(Protocol):
    """What notices changes until it is closed."""

    def close(self) -> None:
        """End it. Idempotent."""


def watch_branches(repository: Path, changed: Callable[[], None]) -> Watching | None:
    """Watch the branches of a local repository; None when there is none at the path.

    Rewritten packed references are not watched: they change a branch only when it is deleted.
    """
    folder = common_folder(repository)
    folders = [folder / part for part in BRANCH_FOLDERS if (folder / part).is_dir()] if folder else []
    if not folders:
        return None
    if _HAS_INOTIFY:
        try:
            return FolderWatcher(folders, concerns=_is_no_lock, changed=changed)
        except OSError as error:
            logger.warning("expected to watch %s, cannot: %s; changes are found by polling", folders[0], error)
            return None
    return Watcher(folders, concerns=lambda file: _is_no_lock(file.name), changed=changed)


def _is_no_lock(name: str) -> bool:
    return not name.endswith(".lock")
