"""Noticing at once that a local folder changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import watchfiles

from livegraft.mirror.local import common_folder

STEP_MILLISECONDS = 10
DEBOUNCE_MILLISECONDS = 50
BRANCH_FILES = {"packed-refs", "HEAD", "tables.list"}


class Watcher:
    """Calls ``changed`` from a thread of its own when a file that ``concerns`` it changes below the folder."""

    def __init__(
        self, folder: Path, *, recursive: bool, concerns: Callable[[Path], bool], changed: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._recursive = recursive
        self._concerns = concerns
        self._changed = changed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"livegraft-watch-{folder.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. Idempotent; ``changed`` may call it."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        changes = watchfiles.watch(
            self._folder,
            watch_filter=lambda _, file: self._concerns(Path(file)),
            debounce=DEBOUNCE_MILLISECONDS,
            step=STEP_MILLISECONDS,
            stop_event=self._stopped,
            recursive=self._recursive,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        for _ in changes:
            self._changed()


def watch_branches(repository: Path, changed: Callable[[], None]) -> Sequence[Watcher]:
    """Watch the references of a local repository. Empty when there is none at the path."""
    folder = common_folder(repository)
    if folder is None:
        return []
    watchers = [Watcher(folder, recursive=False, concerns=lambda file: file.name in BRANCH_FILES, changed=changed)]
    for part in ("refs/heads", "reftable"):
        if (folder / part).is_dir():
            watchers.append(Watcher(folder / part, recursive=True, concerns=_is_branch, changed=changed))
    return watchers


def _is_branch(file: Path) -> bool:
    return file.suffix != ".lock"
