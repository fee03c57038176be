"""Removes the sources of versions that left long ago.

They stay on disk for a while after a version is unloaded, so that a late traceback, a debugger or a coverage report
still finds its lines.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from livegraft.errors import LivegraftError
from livegraft.rounds import Rounds

logger = logging.getLogger(__name__)

KEPT_SECONDS: Final = 7 * 24 * 3600.0
"""How long sources stay after a version was in use here last."""

KEPT_KEYS: Final = 10_000
"""How many keys' sources stay beyond those that are loaded, newest first."""

_PAUSE_SECONDS: Final = 3600.0
_KEY_DIGITS: Final = frozenset("0123456789abcdef")


class Pruner:
    """One thread that tidies the folder of sources once an hour; ``loaded`` names the keys that are in use here.

    ``more`` is done at the same times.
    Keys in use are marked as used at each round, so processes that share a data folder spare each other's.
    """

    def __init__(
        self, *, folder: Path, loaded: Callable[[], Collection[str]], more: Callable[[], object] = lambda: None
    ) -> None:
        self._folder = folder
        self._loaded = loaded
        self._more = more
        self._rounds = Rounds(self._round, name="livegraft-pruner", pause=_PAUSE_SECONDS)

    def start(self) -> None:
        self._rounds.start()

    def stop(self) -> None:
        """Idempotent."""
        self._rounds.stop()

    def _round(self) -> None:
        try:
            self.prune()
            self._more()
        except (OSError, LivegraftError):
            logger.exception("what is old could not be removed; tried again in an hour")

    def prune(self) -> int:
        """Remove what is too old or too much; how many keys' sources went."""
        loaded = set(self._loaded())
        for key in loaded:
            _touch(self._folder / key)
        left = sorted(((at, key) for key, at in self._keys().items() if key not in loaded), reverse=True)
        oldest = time.time() - KEPT_SECONDS
        gone = [key for place, (at, key) in enumerate(left) if place >= KEPT_KEYS or at < oldest]
        for key in gone:
            shutil.rmtree(self._folder / key, ignore_errors=True)
        self._remove_unlinked_data(oldest)
        return len(gone)

    def _keys(self) -> dict[str, float]:
        """Key -> when its sources were in use last, as far as the folder tells."""
        found = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if _KEY_DIGITS.issuperset(entry.name) and entry.is_dir(follow_symlinks=False):
                    found[entry.name] = entry.stat().st_mtime
        return found

    def _remove_unlinked_data(self, oldest: float) -> None:
        """Data files that no version has beside its sources any more; young ones may be about to be linked."""
        folder = self._folder / "data"
        if not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if found.st_nlink == 1 and found.st_mtime < oldest:
                    Path(entry.path).unlink(missing_ok=True)


def _touch(folder: Path) -> None:
    try:
        os.utime(folder)
    except FileNotFoundError:
        return
