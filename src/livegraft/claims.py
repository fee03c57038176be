"""Claims of runs that wait in the store: of several processes on it each run is begun by one.

One thread asks the store, so that no run and no caller waits for other processes that write. It also looks for runs of
others for which this process has room, and for what it is asked to cancel.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from livegraft.crash_points import crash_point
from livegraft.errors import StoreError
from livegraft.run import RunRecord
from livegraft.store import Claimed, Runs

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.25
"""How often the store is asked for runs that wait and for cancels."""

_SHARE_OF_TIME: Final = 20
"""A look that takes long is followed by a pause so many times as long."""

_BATCH: Final = 100
"""Runs that are claimed in one transaction, and those of others that are looked at, at most."""


class Claimant(Protocol):
    """Port: who wants runs. Called from the thread of the claims."""

    def claimed(self, outcomes: Mapping[str, Claimed]) -> None:
        """What came of the claims."""

    def has_places(self) -> bool:
        """Whether it could begin runs of others."""

    def adopt(self, run: RunRecord) -> None:
        """A run waits for any process."""

    def shared(self) -> Sequence[str]:
        """Runs that wait here and for any other process alike."""

    def gone(self, ids: Iterable[str]) -> None:
        """These were begun by others, or ended."""

    def cancel_asked(self, id: str) -> None:
        """Another process wants a run cancelled."""


class Claims:
    """Claims for one process, by its identity."""

    def __init__(self, *, runs: Runs, identity: str, claimant: Claimant) -> None:
        self._runs = runs
        self._identity = identity
        self._claimant = claimant
        self._lock = threading.Lock()
        self._wanted: dict[str, int] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="livegraft-claims", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Claim no more; what was claimed has been told then. Idempotent."""
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def want(self, id: str, limit: int) -> None:
        """Claim a run soon; with a ``limit`` only while fewer of its group have begun."""
        with self._lock:
            self._wanted[id] = limit
        self._wake.set()

    def _work(self) -> None:
        look_at, is_away = time.monotonic(), False
        while not self._stopping:
            self._wake.clear()
            try:
                self._claim()
                if time.monotonic() >= look_at:
                    began = time.monotonic()
                    self._look()
                    now = time.monotonic()
                    look_at = now + max(LOOK_SECONDS, _SHARE_OF_TIME * (now - began))
                is_away = False
            except StoreError as error:
                if not is_away:  # it is told once, however long that is
                    logger.error("runs that wait cannot be claimed until the history is back: %s", error)
                is_away = True
                look_at = time.monotonic() + LOOK_SECONDS
                time.sleep(LOOK_SECONDS)
            except Exception:
                # All runs that wait hang on this thread: it outlives every fault.
                logger.exception("runs that wait were not claimed")
                look_at = time.monotonic() + LOOK_SECONDS
            self._wake.wait(max(0.0, look_at - time.monotonic()))

    def _claim(self) -> None:
        while not self._stopping:
            with self._lock:
                batch = dict(list(self._wanted.items())[:_BATCH])
            if not batch:
                return
            outcomes = self._runs.claim(batch, self._identity)
            crash_point("claim written")
            with self._lock:
                for id in batch:
                    del self._wanted[id]
            self._claimant.claimed(outcomes)

    def _look(self) -> None:
        mine = self._claimant.shared()  # before the question, so that none is missed which is written meanwhile
        has_places = self._claimant.has_places()
        if not self._runs.has_news():
            self._claimant.gone(mine)
            return
        for id in self._runs.asked_to_cancel(self._identity):
            self._claimant.cancel_asked(id)
        if mine:
            self._claimant.gone(set(mine).difference(self._runs.still_waiting(mine)))
        if has_places:
            for run in self._runs.for_anyone(_BATCH):
                self._claimant.adopt(run)
