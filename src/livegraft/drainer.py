"""Drains superseded versions and unloads them: nothing uses them, nothing refers to them, gone.

What uses a version is found by looking, not by counting calls: runs, the frames of all threads,
suspended generators and coroutines. Its names stay registered until then, so that a late import
of its code finds the modules of its own plan and never makes a twin.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Final

from livegraft.clock import Clock
from livegraft.events import Events
from livegraft.frames import frames_of_other_threads, stack
from livegraft.holders import find_holders
from livegraft.loader import Loader
from livegraft.region import Survey, survey
from livegraft.undo import UNDOERS
from livegraft.version import Version, VersionState, closed_group

logger = logging.getLogger(__name__)

_FIRST_LOOK_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LOOKS_BEFORE_LEAKED: Final = 8
"""A host that read a function but has not called it yet holds it for a moment, unseen."""

_SLICE: Final = 200
"""Versions that one look takes at most, so that it is short."""

_REMEMBERED: Final = 200


@dataclass(slots=True)
class _Batch:
    """The versions that one release superseded; told when all have drained, and when all are gone."""

    finished: Callable[[str, datetime], None]
    draining: set[Version]
    waiting: set[Version] = field(default_factory=set)
    drained: bool = False


class Drainer:
    """Watches superseded versions until they are gone.

    ``runs_of`` names the open runs of a version. ``turn`` is held while versions are looked at and
    taken out; whoever makes a release holds it too, so that a version is never taken back half gone.
    """

    def __init__(
        self,
        *,
        loader: Loader,
        clock: Clock,
        events: Events,
        runs_of: Callable[[Version], Sequence[str]],
    ) -> None:
        self._loader = loader
        self._clock = clock
        self._events = events
        self._runs_of = runs_of
        self.turn = threading.RLock()
        self.unloaded: deque[Version] = deque(maxlen=_REMEMBERED)
        self._looks: Counter[Version] = Counter()
        self._batches: list[_Batch] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="livegraft-drainer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """Look now: a run ended, a release was made."""
        self._wake.set()

    def supersede(self, roots: Iterable[Version], finished: Callable[[str, datetime], None]) -> None:
        """Drain all that the new release does not reach; take back what it reaches again.

        ``finished`` is called with ``drained`` and later ``unloaded`` and the time of each.
        """
        now = self._clock.now()
        with self.turn:
            reached = self._reached(roots)
            left = set()
            for version in self._loader.versions:
                if version in reached:
                    if version.state in (VersionState.DRAINING, VersionState.DRAINED, VersionState.LEAKED):
                        self._take_back(version, now)
                elif version.state is VersionState.LIVE:
                    version.move(VersionState.DRAINING, now)
                    left.add(version)
            self._batches.append(_Batch(finished, set(left), set(left)))
        self.wake()

    def look(self) -> bool:
        """One look at all versions that are on their way out; True when one of them came further."""
        with self.turn:
            leaving = [version for version in self._loader.versions if version.state in _LEAVING]
            if not leaving:
                self._settle()
                return False
            for version in leaving:
                if any(user.state is VersionState.LIVE for user in version.users):
                    self._take_back(version, self._clock.now())  # by an import that no syntax tree shows
            leaving = [version for version in leaving if version.state in _LEAVING]
            busy = self._busy(leaving)
            ready = _slice(closed_group(version for version in leaving if version not in busy))
            moved = self._unload(ready) if ready else False
            self._settle()
            return moved

    def _watch(self) -> None:
        pause = _FIRST_LOOK_SECONDS
        while True:
            leaving = any(version.state in _LEAVING for version in self._loader.versions)
            woken = self._wake.wait(pause if leaving or self._batches else None)
            self._wake.clear()
            if self._stopping:
                return
            try:
                moved = self.look()
            except Exception:
                logger.exception("looking at superseded versions failed; they are looked at again")
                moved = False
            pause = _FIRST_LOOK_SECONDS if moved or woken else min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _reached(self, roots: Iterable[Version]) -> set[Version]:
        """The versions that code of these can come to: by its plan, or by what it imported so far."""
        reached: set[Version] = set()
        pending = list(roots)
        while pending:
            version = pending.pop()
            if version not in reached:
                reached.add(version)
                pending.extend(version.used)
                for planned in version.reach.values():
                    other = self._loader.find(planned.name, planned.key)
                    if other is not None and other not in reached:
                        pending.append(other)
        return reached

    def _take_back(self, version: Version, now: datetime) -> None:
        version.move(VersionState.LIVE, now)
        version.holders = ()
        self._looks.pop(version, None)
        for batch in self._batches:
            batch.draining.discard(version)
            batch.waiting.discard(version)

    def _busy(self, leaving: Collection[Version]) -> set[Version]:
        """Those that a run or a thread is in, and all that these can come to."""
        stacks = self._stacks()
        busy = set()
        for version in leaving:
            holders = [f"run {run}" for run in self._runs_of(version)] + stacks.get(version.module_name, [])
            if holders:
                version.holders = tuple(holders)
                busy.add(version)
        return self._reached(busy)

    def _stacks(self) -> dict[str, list[str]]:
        """Module name of a version -> the threads that execute it, outer frames too, with the place."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        found: dict[str, list[str]] = {}
        for ident, frame in frames_of_other_threads().items():
            for inner, line in stack(frame):
                module = inner.f_globals.get("__name__")
                if isinstance(module, str) and self._loader.importer(module) is not None:
                    place = f"thread {names.get(ident, ident)} in {inner.f_code.co_qualname}, line {line}"
                    found.setdefault(module, []).append(place)
        return found

    def _unload(self, versions: list[Version]) -> bool:
        found = self._survey(versions)
        if found.held:
            for version in versions:
                self._undo(version)
            found = self._survey(versions)
        held = [version for version in versions if id(vars(version.executed_module)) in found.held]
        if held:
            self._report(held, found)
        del found
        kept = self._reached(held)
        return self._remove([version for version in versions if version not in kept]) > 0

    def _survey(self, versions: Sequence[Version]) -> Survey:
        # No name here may stay bound to one of the modules or objects: it would count as a holder.
        modules: list[ModuleType] = [version.executed_module for version in versions]
        extra = [owned for version in versions for owned in (*version.views.values(), *version.attachments)]
        known = Counter(map(id, (*modules, *extra)))
        known.update(id(version.module) for version in versions if version.module_name in sys.modules)
        return survey(modules, extra=extra, known=known, beyond=[*self._loader.versions, *self._loader.beyond])

    def _remove(self, versions: Sequence[Version]) -> int:
        """Take free versions out: names first, then one more look, for who found them by name meanwhile."""
        for version in versions:
            self._undo(version)
            self._loader.drop(version)
        if not versions:
            return 0
        found = self._survey(versions)
        free = [version for version in versions if id(vars(version.executed_module)) not in found.held]
        gone = self._loader.forget(free)
        for version in versions:
            if version in gone:
                version.object_count = found.object_count // len(versions)
                self._finish(version, clear=not found.has_finalizers)
            else:
                self._loader.restore(version)
        return len(gone)

    def _finish(self, version: Version, *, clear: bool) -> None:
        module, version.module = version.module, None
        version.views.clear()
        version.attachments.clear()
        if clear and module is not None:
            # Nothing can see it any more, and nothing of it wants a last word: empty the globals, so
            # that the memory returns now and not at the host's next full collection.
            vars(module).clear()
        self._looks.pop(version, None)
        version.holders = ()
        now = self._clock.now()
        if version.state is VersionState.DRAINING:
            version.move(VersionState.DRAINED, now)
        version.move(VersionState.UNLOADED, now)
        self.unloaded.append(version)
        self._tell(version)

    def _report(self, held: Sequence[Version], found: Survey) -> None:
        now = self._clock.now()
        for version in held:
            self._looks[version] += 1
        # Naming holders reads the whole heap: at the first, second, fourth, eighth ... look only.
        due = [version for version in held if self._looks[version].bit_count() == 1]
        if not due:
            return
        holders = find_holders(found.roots, {*found.inside, *self._bookkeeping()})
        for version in due:
            version.holders = holders.names
            if holders.suspended:  # it will go on: still in use
                continue
            if version.state is VersionState.DRAINING:
                version.move(VersionState.DRAINED, now)
            elif version.state is VersionState.DRAINED and self._looks[version] >= _LOOKS_BEFORE_LEAKED:
                version.move(VersionState.LEAKED, now)
                logger.warning("%s leaked: still held by %s", version, "; ".join(version.holders))
                self._tell(version)

    def _bookkeeping(self) -> Iterator[int]:
        """Ids of what livegraft itself holds versions by."""
        yield id(sys.modules)
        for version in self._loader.versions:
            yield from map(id, (version, vars(version), version.views, version.attachments))

    def _undo(self, version: Version) -> None:
        file = version.executed_module.__file__ or ""
        for undo in UNDOERS:
            undo(version, file)

    def _settle(self) -> None:
        """Tell the releases whose superseded versions have come to an end."""
        now = self._clock.now()
        for batch in list(self._batches):
            batch.draining = {version for version in batch.draining if version.state is VersionState.DRAINING}
            batch.waiting = {version for version in batch.waiting if version.state in _LEAVING}
            if not batch.draining and not batch.drained:
                batch.drained = True
                batch.finished("drained", now)
            if not batch.waiting:
                batch.finished("unloaded", now)
                self._batches.remove(batch)

    def _tell(self, version: Version) -> None:
        self._events.emit("version", version.name, key=version.key, state=version.state.value)


_LEAVING: Final = frozenset({VersionState.DRAINING, VersionState.DRAINED, VersionState.LEAKED})


def _slice(versions: Iterable[Version]) -> list[Version]:
    """At most so many that one look stays short; a group that cannot be divided stays whole."""
    ordered = sorted(versions, key=lambda version: len(version.users))
    return list(closed_group(ordered[:_SLICE])) or ordered
