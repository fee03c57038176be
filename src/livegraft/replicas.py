"""The processes that share a store: this one says that it lives, and takes over from those that do not.

One on this machine is known to be dead by its pid and its start. Of one elsewhere only the beats are seen: it is dead
when they have stood still for a while, by this process's own clock that never jumps, and while it could look all the
time. So no clock that is set, no store that was away and no process that was itself stopped makes others dead.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from livegraft import __version__, process
from livegraft.clock import Clock
from livegraft.crash_points import crash_point
from livegraft.errors import StoreError
from livegraft.rounds import Rounds
from livegraft.store import ReplicaRecord, Store

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often others are looked at."""

BEAT_SECONDS: Final = 3.0
"""How often a process says that it lives."""

DEAD_SECONDS: Final = 8.0
"""How long the beats of one on another machine stand still until it is dead."""

_GAP_SECONDS: Final = 2.5
"""After a longer pause between two looks nobody has been seen to stand still."""


@dataclass(slots=True)
class _Seen:
    """How many beats of a process were seen last, and since when it is that number, by the monotonic clock."""

    beats: int
    since: float


class Replicas:
    """Beats for one process, by its ``identity``, and watches the others.

    ``revision`` is what is live here; ``bury`` is told who died, by one of the survivors, and again until its runs are
    closed; ``learn`` is called at each look, to take over what was decided in the others.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        identity: str,
        revision: Callable[[], str],
        bury: Callable[[str], None],
        learn: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._revision = revision
        self._bury = bury
        self._learn = learn
        self.address = ""
        self._me = ReplicaRecord(
            identity=identity,
            host=process.host_name(),
            pid=process.pid_of(identity),
            started_at=clock.now(),
            beat_at=clock.now(),
            livegraft=__version__,
            python=platform.python_version(),
        )
        self._seen: dict[str, _Seen] = {}
        self._looked_at = 0.0
        self._beat_at = 0.0
        self._rounds = Rounds(self._round, name="livegraft-replicas", pause=LOOK_SECONDS)
        self._is_started = False
        self._cannot_see = False

    def start(self) -> None:
        """Enter this process; what dead ones of this machine left is taken over before this returns."""
        self._store.replicas.add(self._now())
        crash_point("process entered")
        self._beat_at = time.monotonic()
        self.look()
        self._is_started = True
        self._rounds.start()

    def stop(self) -> None:
        """Leave in order: nothing of it is open. Idempotent."""
        if not self._is_started:
            return
        self._is_started = False
        self._rounds.stop()
        try:
            self._store.replicas.drop(self._me.identity)
        except StoreError as error:
            logger.warning("others will take this process for dead, not for stopped: %s", error)

    def all(self) -> Sequence[ReplicaRecord]:
        """The processes on the store, by the time at which they started."""
        return self._store.replicas.all()

    def serves_at(self, address: str) -> None:
        """Where the pages of this process are; the others learn it with the next beat."""
        self.address = address
        self._beat_at = 0.0

    def look(self) -> None:
        """Look at the others once, and bury those that died."""
        began = time.monotonic()
        known = {each.identity: each.beats for each in self._store.replicas.all()}
        others = {*known, *self._store.runs.processes()} - {self._me.identity}
        if began - self._looked_at > _GAP_SECONDS:
            self._seen.clear()
        self._looked_at = began
        self._seen = {identity: self._see(identity, known.get(identity, -1), began) for identity in others}
        for identity in sorted(others):
            if self._is_dead(identity, began):
                self._take_over(identity)

    def _see(self, identity: str, beats: int, now: float) -> _Seen:
        seen = self._seen.get(identity)
        return seen if seen is not None and seen.beats == beats else _Seen(beats, now)

    def _is_dead(self, identity: str, now: float) -> bool:
        if process.is_of_this_machine(identity):
            return not process.is_alive(identity)
        return now - self._seen[identity].since >= DEAD_SECONDS

    def _take_over(self, identity: str) -> None:
        logger.warning("process %s is gone", identity)
        self._bury(identity)
        crash_point("process buried")
        # Last: should this process die too before it is done, the next one begins again.
        self._store.replicas.drop(identity)

    def _round(self) -> None:
        try:
            if time.monotonic() - self._beat_at >= BEAT_SECONDS:
                self._beat()
            self.look()
            self._learn()
        except StoreError as error:
            if not self._cannot_see:
                logger.warning("the other processes cannot be seen until the history is back: %s", error)
            self._cannot_see = True
        except Exception:
            logger.exception("the other processes were not looked at")
        else:
            self._cannot_see = False

    def _beat(self) -> None:
        replicas, me = self._store.replicas, self._me.identity
        if not replicas.beat(me, self._clock.now(), self._revision(), self.address):
            logger.error("this process was taken for dead: its runs until now count as lost, it goes on with new ones")
            replicas.add(self._now())
        self._beat_at = time.monotonic()

    def _now(self) -> ReplicaRecord:
        return replace(self._me, beat_at=self._clock.now(), address=self.address, revision=self._revision())
