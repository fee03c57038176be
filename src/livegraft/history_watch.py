"""Looks at the history every second, so that people hear that it cannot be written before they lose a run to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from livegraft.errors import StoreError
from livegraft.rounds import Rounds
from livegraft.store import Store

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0


class HistoryWatch:
    """One thread. ``told`` is called when the state changed."""

    def __init__(self, *, store: Store, told: Callable[[], object]) -> None:
        self._store = store
        self._told = told
        self._rounds = Rounds(self._round, name="livegraft-history", pause=LOOK_SECONDS)
        self.fault = ""
        """Why the history cannot be written at present, or ""."""

    def start(self) -> None:
        self._rounds.start()

    def stop(self) -> None:
        """Idempotent."""
        self._rounds.stop()

    def _round(self) -> None:
        try:
            self.look()
        except Exception:
            logger.exception("the history could not be looked at")

    def look(self) -> None:
        fault = ""
        try:
            self._store.check()
        except StoreError as error:
            fault = str(error)
        before, self.fault = self.fault, fault
        if bool(fault) == bool(before):
            return
        if fault:
            logger.error("runs are refused and due times wait: %s", fault)
        else:
            logger.info("the history can be written again")
        self._told()
