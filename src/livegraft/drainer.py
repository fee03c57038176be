"""Drains superseded versions and unloads them: nothing uses them, nothing refers to them, gone.

What uses a version is found by looking, not by counting calls: runs, the frames of all threads, tasks,
suspended generators and coroutines. Its names stay registered until then, so that a late import
of its code finds the modules of its own plan and never makes a twin.

The order in which a version goes, and why:

1. Nobody is in its code. A thread may be about to enter: it holds a function then, and 2 finds that.
2. Nothing outside refers to it, at one instant (``livegraft.region``). Otherwise what it registered is taken back
   (``livegraft.undo``) and it is looked at once more; then its holders are named, and it is looked at again later.
3. Its names and modules are taken out of everybody's reach, under the lock of the loader's registries, and 2 is asked
   again before the lock is let go (``Loader.take_out``). Whoever found it by name between 2 and 3 holds something of it
   now, and it goes back; whoever comes later waits for the lock, finds it gone, and loads it anew. Nobody else can
   come in: so nothing is emptied under the hands of a thread.
4. Its globals are emptied, unless that would run code of its own or could be seen by a weak reference; then
   the host's collector frees it. With finalizers it counts as unloaded only when it is really gone: one of them
   may bring an object back to life.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import FrameType, ModuleType
from typing import Final

from livegraft import hooks, region
from livegraft.clock import Clock
from livegraft.events import Events
from livegraft.frames import frames_of_other_threads, stack
from livegraft.graph import PlannedModule
from livegraft.holders import find_holders
from livegraft.live import PREFIX
from livegraft.loader import Loader
from livegraft.region import Region, Survey
from livegraft.scrub import scrub
from livegraft.stopping import stop_tasks, stop_threads
from livegraft.suspended import frames_of_task, suspended_code, tasks
from livegraft.undo import Leaving, Undoer, installed_undoers, undo
from livegraft.undoers import FORGETTERS, SEARCHERS, UNDOERS
from livegraft.version import Version, VersionState, closed_group

logger = logging.getLogger(__name__)

_FIRST_LOOK_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LOOKS_BEFORE_LEAKED: Final = 8
"""A host that read a function but has not called it yet holds it for a moment, unseen."""

_FIRST_NAMING: Final = 2

_SLICE: Final = 200
"""Versions that one look takes at most, so that it is short."""

_REMEMBERED: Final = 200
_LEFTOVERS: Final = 200
"""Versions that are gone whose classes are known until they are collected."""

_DEEPEST_STACK: Final = 40


class DrainPolicy(StrEnum):
    """What happens to a version that is still in use at the drain deadline, or still held.

    ``wait``: nothing, it is told; ``cancel``: its runs are cancelled, its tasks and the threads that it started are
    asked to stop; ``scrub``: that, and its globals become tombstones that raise UnloadedVersionError.
    """

    WAIT = "wait"
    CANCEL = "cancel"
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy did with a version at the drain deadline, or a person with a scrub.

    ``stacks`` show what was under way; ``stopped`` names what was asked to stop; ``tombstone_count`` globals were
    scrubbed.
    """

    version: Version
    policy: DrainPolicy
    holders: tuple[str, ...]
    stacks: tuple[str, ...]
    stopped: tuple[str, ...]
    tombstone_count: int


@dataclass(slots=True)
class _Batch:
    """The versions that one release superseded; told when all have drained, and when all are gone."""

    finished: Callable[[str, datetime], None]
    draining: set[Version]
    waiting: set[Version] = field(default_factory=set)
    drained: bool = False


class _Canary:
    """Stands in globals that finalizers are to be freed with; its weak reference dies when they become garbage.

    When that is dead and the version's token is not, a finalizer brought something back to life.
    """

    __slots__ = ("__weakref__",)


class Drainer:
    """Watches superseded versions until they are gone.

    ``runs_of`` names the open runs of a version, ``cancel_run`` asks one to stop. ``policy`` decides what happens to a
    version that is in use or held ``deadline_seconds`` after it was superseded; ``decided`` is told. ``turn`` is held
    while versions are looked at and taken out; whoever makes a release holds it too, so that a version is never
    taken back half gone.
    """

    def __init__(
        self,
        *,
        loader: Loader,
        clock: Clock,
        events: Events,
        runs_of: Callable[[Version], Sequence[str]],
        cancel_run: Callable[[str], None] = lambda run: None,
        policy: DrainPolicy = DrainPolicy.WAIT,
        deadline_seconds: float = 300.0,
        decided: Callable[[Decision], None] = lambda decision: None,
    ) -> None:
        self._loader = loader
        self._clock = clock
        self._events = events
        self._runs_of = runs_of
        self._cancel_run = cancel_run
        self._policy = policy
        self._deadline_seconds = deadline_seconds
        self._decided = decided
        self._undoers = (*UNDOERS, *installed_undoers())
        self.turn = threading.RLock()
        self.unloaded: deque[Version] = deque(maxlen=_REMEMBERED)
        self._looks: Counter[Version] = Counter()
        self._left_at: dict[Version, float] = {}
        self._past_deadline: set[Version] = set()
        self._canaries: dict[Version, weakref.ref[_Canary]] = {}
        # Classes of versions that are gone. A class refers to itself, so it stays until the host's next collection,
        # and what it refers to meanwhile (its base in a helper) is not held by anybody for that. With the names and
        # keys of the versions that it could refer to: the others' look needs none of it.
        self._leftovers: list[tuple[frozenset[tuple[str, str]], weakref.WeakSet[type]]] = []
        self._batches: list[_Batch] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        hooks.remember()

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
            hooks.remember()
            reached = self._reached(roots)
            left = set()
            for version in self._loader.versions:
                if version in reached:
                    if version.is_leaving and not version.is_retired:
                        self._take_back(version, now)
                elif version.state is VersionState.LIVE:
                    version.move(VersionState.DRAINING, now)
                    self._left_at[version] = self._clock.monotonic()
                    left.add(version)
            self._batches.append(_Batch(finished, set(left), set(left)))
        self.wake()

    def scrub(self, version: Version, actor: str) -> Decision:
        """Turn the globals of a version that left into tombstones, as ``actor`` decided; their error says who."""
        with self.turn:
            self._past_deadline.add(version)
            decision = self._decide(version, DrainPolicy.SCRUB, f"{actor} scrubbed it", f"scrubbed by {actor}")
        self.wake()
        return decision

    def look(self) -> bool:
        """One look at all versions that are on their way out; True when one of them came further."""
        with self.turn:
            leaving = [version for version in self._loader.versions if version.is_leaving]
            if not leaving:
                self._settle()
                return False
            moved = self._see_collected(version for version in leaving if version.module is None)
            leaving = [version for version in leaving if version.module is not None]
            for version in leaving:
                if not version.is_retired and any(user.state is VersionState.LIVE for user in version.users):
                    self._take_back(version, self._clock.now())  # by an import that no syntax tree shows
            leaving = [version for version in leaving if version.is_leaving]
            busy = self._busy(leaving)
            ready = _slice(closed_group(version for version in leaving if version not in busy))
            if ready:
                moved |= self._unload(ready)
            self._watch_deadline(leaving)
            self._settle()
            return moved

    def _watch(self) -> None:
        pause = _FIRST_LOOK_SECONDS
        while True:
            leaving = any(version.is_leaving for version in self._loader.versions)
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
        met: set[PlannedModule] = set()
        pending = set(roots)
        while pending:
            reached |= pending
            # By sets of whole rounds: there may be ten thousand roots, on each commit. What many import is met once.
            fresh = {module for version in pending for module in version.begin_of_reach} - met
            used = set[Version]().union(*(version.used for version in pending))
            pending = set()
            while fresh:
                met |= fresh
                pending.update(found for each in fresh if (found := self._loader.find(each.name, each.key)) is not None)
                fresh = {imported for module in fresh for imported in module.imports.values()} - met
            pending |= used
            pending -= reached
        return reached

    def _take_back(self, version: Version, now: datetime) -> None:
        version.move(VersionState.LIVE, now)
        version.holders = version.stacks = ()
        self._forget(version)
        for batch in self._batches:
            batch.draining.discard(version)
            batch.waiting.discard(version)

    def _forget(self, version: Version) -> None:
        self._looks.pop(version, None)
        self._left_at.pop(version, None)
        self._past_deadline.discard(version)
        self._canaries.pop(version, None)

    # -- in use ----------------------------------------------------------------------------

    def _busy(self, leaving: Collection[Version]) -> set[Version]:
        """Those that a run, a thread or a task is in, and all that these can come to."""
        under_way = self._under_way()
        busy = set()
        for version in leaving:
            found = under_way.get(version.module_name, [])
            holders = [f"run {run}" for run in self._runs_of(version)] + [name for name, _ in found]
            version.stacks = tuple(stack for _, stack in found)
            if holders:
                version.holders = tuple(holders)
                busy.add(version)
        return self._reached(busy)

    def _under_way(self) -> dict[str, list[tuple[str, str]]]:
        """Module name of a version -> who is in its code, outer frames too: thread or task and place, and the stack."""
        found: dict[str, list[tuple[str, str]]] = {}
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, top in frames_of_other_threads().items():
            frames = list(stack(top))
            self._note(f"thread {names.get(ident, ident)}", frames, found)
            del frames, top
        for task in tasks():
            waiting = [(frame, frame.f_lineno) for frame in frames_of_task(task)][::-1]
            self._note(f"task {task.get_name()}", waiting, found)
            del waiting, task
        return found

    def _note(self, who: str, frames: Sequence[tuple[FrameType, int]], found: dict[str, list[tuple[str, str]]]) -> None:
        """Note where a thread or task is in code of versions; ``frames`` are innermost first."""
        stack = ""
        for frame, line in frames:
            module = frame.f_globals.get("__name__")
            if isinstance(module, str) and module.startswith(PREFIX) and self._loader.importer(module) is not None:
                stack = stack or self._stack(who, frames)
                found.setdefault(module, []).append((f"{who} in {frame.f_code.co_qualname}, line {line}", stack))

    def _stack(self, who: str, frames: Sequence[tuple[FrameType, int]]) -> str:
        """A stack as people read it, innermost last, with repository paths."""
        lines = []
        for frame, line in reversed(frames[:_DEEPEST_STACK]):
            file = frame.f_code.co_filename
            place = self._loader.locate(file)
            shown = f"{place[0]}@{place[1]}" if place is not None else file
            lines.append(f"  {shown}, line {line}, in {frame.f_code.co_qualname}")
        return "\n".join([f"{who}:", *lines])

    # -- the deadline ----------------------------------------------------------------------

    def _watch_deadline(self, leaving: Iterable[Version]) -> None:
        for version in leaving:
            since = self._left_at.get(version)
            if since is None or not version.holders or version.module is None or version in self._past_deadline:
                continue
            if self._clock.monotonic() - since >= self._deadline_seconds:
                self._past_deadline.add(version)
                after = f"{self._deadline_seconds:g} s after it was superseded"
                reason = f"still held by {version.holders[0]}, {after}"
                self._decided(self._decide(version, self._policy, reason, f"still held {after}, policy {self._policy}"))

    def _decide(self, version: Version, policy: DrainPolicy, reason: str, occasion: str) -> Decision:
        stopped = self._stop_users(version) if policy is not DrainPolicy.WAIT else []
        tombstone_count = self._scrub(version, reason) if policy is DrainPolicy.SCRUB else 0
        decision = Decision(version, policy, version.holders, version.stacks, tuple(stopped), tombstone_count)
        asked = [f"asked to stop: {', '.join(stopped)}"] if stopped else []
        told = "; ".join([f"{version.label} is {occasion}", *(f"held by {each}" for each in version.holders), *asked])
        logger.warning("%s", "\n".join([told, *version.stacks]))
        self._tell(version)
        return decision

    def _stop_users(self, version: Version) -> list[str]:
        runs = list(self._runs_of(version))
        for run in runs:
            self._cancel_run(run)
        name = version.module_name
        return [f"run {run}" for run in runs] + stop_tasks(name.__eq__) + stop_threads(name.__eq__)

    def _scrub(self, version: Version, reason: str) -> int:
        if version.module is None:
            return 0
        self._retire({version})
        call = f"supervisor.live.{version.name}"
        count = scrub(version.module, f"{version.label}: unloaded because {reason}; please call the live one, {call}")
        version.attachment = None
        version.undone += (f"scrubbed: {count} globals, because {reason}",)
        return count

    # -- unloading -------------------------------------------------------------------------

    def _unload(self, versions: list[Version]) -> bool:
        looked = self._region(versions)
        found = looked.survey()
        for undoers in (self._undoers, SEARCHERS):
            if not found.held or not self._is_due(versions, found):
                break
            told = self._take_back_registrations(versions, looked, found, undoers)
            del looked, found
            if told:
                logger.debug("undone: %s", told)
            looked = self._region(versions)
            found = looked.survey()
        held = [version for version in versions if id(vars(version.executed_module)) in found.held]
        functions = looked.functions() if held and not found.is_whole else ()
        in_use = [code.co_qualname for code in suspended_code(functions)]
        del functions
        if held and found.is_whole:
            self._report(held, found, looked)
        elif in_use:
            for version in held:
                version.holders = tuple(f"suspended {name}, held where Python does not show it" for name in in_use)
        is_settled = found.is_whole or bool(in_use)
        del looked, found
        kept = self._reached(held) if is_settled else set()
        self._stay_with_users([version for version in versions if version in kept and version not in held], held)
        return self._remove([version for version in versions if version not in kept], verified=is_settled) > 0

    def _stay_with_users(self, versions: Iterable[Version], held: Sequence[Version]) -> None:
        """What nobody holds stays while what is held can come to it: say so, and drain it with its users.

        Otherwise it would be draining for ever, its release too, and no one could tell why.
        """
        is_idle = all(user.state is not VersionState.DRAINING for user in held)
        for version in versions:
            version.holders = _used_by(version.users & set(held) or version.users or held)
            if is_idle and version.state is VersionState.DRAINING:
                version.move(VersionState.DRAINED, self._clock.now())

    def _is_due(self, versions: Iterable[Version], found: Survey) -> bool:
        """Whether this look takes back registrations: the first of a version, and the ones that name holders."""
        held = [version for version in versions if id(vars(version.executed_module)) in found.held]
        return any(not self._looks[version] or _names_holders(self._looks[version] + 1) for version in held)

    def _take_back_registrations(
        self, versions: Sequence[Version], looked: Region, found: Survey, undoers: Iterable[Undoer]
    ) -> list[str]:
        leaving = Leaving(versions, functions=looked.functions(), held=[root.item for root in found.roots])
        undo(leaving, undoers)
        told = []
        for version, texts in leaving.told.items():
            version.undone += tuple(text for text in texts if text not in version.undone)
            told += [f"{version.label}: {text}" for text in texts]
        for version, texts in leaving.found.items():
            version.remains = tuple(texts)
        self._retire(leaving.told)
        return told

    def _retire(self, versions: Iterable[Version]) -> None:
        """What was taken back is missing when the version is used again, by itself or by those that import it."""
        pending = list(versions)
        while pending:
            version = pending.pop()
            if not version.is_retired:
                self._loader.retire(version)
                pending += version.users

    def _region(self, versions: Sequence[Version], modules: Mapping[Version, ModuleType] | None = None) -> Region:
        """The region of versions; ``modules`` when they are out of reach already, and known by that mapping only."""
        # No name here may stay bound to one of the modules or objects: it would count as a holder.
        there: list[ModuleType] = [modules[each] if modules else each.executed_module for each in versions]
        places = {version: place for place, version in enumerate(versions)}
        self._leftovers = [each for each in self._leftovers[-_LEFTOVERS:] if len(each[1])]
        looked_at = {(version.name, version.key) for version in versions}
        extra: list[tuple[object, list[int]]] = []
        for version in versions:
            for name, view in version.views.items():
                package = self._loader.find(name, version.reach[name].key) if name in version.reach else None
                extra.append((view, [places[each] for each in (version, package) if each in places]))
            if version.attachment is not None:
                extra.append((version.attachment, [places[version]]))
        known = Counter(map(id, (*there, *(item for item, _ in extra))))
        # Classes that their globals do not name any more are garbage and yet refer to these, until a collection.
        left = [classes for used, classes in self._leftovers if not used.isdisjoint(looked_at)]
        for classes in (*left, *(version.classes for version in versions)):
            extra += [(each, []) for each in classes]
        known.update(id(version.module) for version in versions if version.module_name in sys.modules)
        return Region(there, extra=extra, known=known, beyond=[*self._loader.versions, *self._loader.beyond])

    def _remove(self, versions: Sequence[Version], *, verified: bool) -> int:
        """Take free versions out; those that are not verified are let go of, and watched by weak references."""
        if not versions:
            return 0
        looks: list[tuple[Region, Survey]] = []

        def find_free(modules: Mapping[Version, ModuleType]) -> list[Version]:
            looked = self._region(list(modules), modules)
            looks.append((looked, looked.survey()))
            found = looks[0][1]
            if not found.is_whole:
                return [] if verified else list(modules)
            return [version for version, module in modules.items() if id(vars(module)) not in found.held]

        taken = self._loader.take_out(versions, find_free)
        if not looks or not taken:
            return 0
        [(looked, found)] = looks
        looks.clear()
        is_sure = found.is_whole and not found.held
        # Nothing can see it any more, and nothing of it wants a last word: the memory returns now.
        emptied = is_sure and not looked.has_finalizers() and not looked.is_seen_weakly() and looked.clear()
        waits = "" if emptied else _reason_to_wait(looked, found)
        count = found.object_count // len(taken) if found.is_whole else None
        del looked, found
        for version in list(taken):
            module = taken.pop(version)
            version.views.clear()
            version.attachment = None
            if waits:
                version.watch(vars(module))
                canary = _Canary()
                vars(module)["__livegraft_canary__"] = canary
                self._canaries[version] = weakref.ref(canary)
                del canary
            del module
            version.object_count = count
            self._went(version, waits)
        return 1

    def _went(self, version: Version, waits: str) -> None:
        undo(Leaving([version]), FORGETTERS)
        if version.state is VersionState.DRAINING:
            version.move(VersionState.DRAINED, self._clock.now())
        version.holders = (waits,) if waits else ()
        version.stacks = ()
        if not waits or version.is_collected:
            self._finish(version)

    def _finish(self, version: Version) -> None:
        used = {(each.name, each.key) for each in version.used}
        used.update((each.name, each.key) for each in version.reach.values())
        self._leftovers.append((frozenset(used - {(version.name, version.key)}), version.classes))
        self._loader.forget(version)
        self._forget(version)
        version.holders = version.stacks = version.remains = ()
        version.move(VersionState.UNLOADED, self._clock.now())
        self.unloaded.append(version)
        self._tell(version)

    def _see_collected(self, versions: Iterable[Version]) -> bool:
        """Those that nothing of ours holds any more: gone, or brought back to life by a finalizer."""
        moved = False
        for version in versions:
            canary = self._canaries.get(version)
            if version.is_collected:
                self._finish(version)
                moved = True
            elif canary is not None and canary() is None and version.state is VersionState.DRAINED and version.is_kept:
                version.holders = ("brought back to life by a finalizer (__del__): who holds it does not show",)
                self._leak(version)
        return moved

    def _report(self, held: Sequence[Version], found: Survey, looked: Region) -> None:
        for version in held:
            self._looks[version] += 1
        due = [version for version in held if _names_holders(self._looks[version])]
        if not due:
            return
        owners = {version: id(vars(version.executed_module)) for version in held}
        sought = {owners[version] for version in due}
        ours = {*found.inside, *map(id, found.roots), *self._bookkeeping()}
        holders = find_holders([root for root in found.roots if root.owner in sought], ours, looked.functions())
        for version in due:
            if owners[version] in holders:
                mine = holders[owners[version]]
                version.holders = tuple(dict.fromkeys((*mine.names, *version.remains)))
                if not mine.suspended:  # else it will go on: still in use
                    self._see_held(version)
        by_others = [version for version in due if owners[version] not in holders]
        if by_others:
            self._report_held_by_others(by_others, {root.owner for root in found.roots}, owners)

    def _report_held_by_others(
        self, versions: Iterable[Version], pinned: Collection[int], owners: Mapping[Version, int]
    ) -> None:
        """Tell of those that are held only because what somebody holds leads to them; ``pinned`` are its owners."""
        reaches = {user: self._reached([user]) for user, owner in owners.items() if owner in pinned}
        for version in versions:
            users = [user for user, reached in reaches.items() if version in reached] or list(reaches)
            version.holders = tuple(dict.fromkeys((*_used_by(users), *version.remains)))
            if all(user.state is not VersionState.DRAINING for user in users):
                self._see_held(version)

    def _see_held(self, version: Version) -> None:
        """It is held and not in use: drained, and leaked when that lasts."""
        if version.state is VersionState.DRAINING:
            version.move(VersionState.DRAINED, self._clock.now())
        elif version.state is VersionState.DRAINED and self._looks[version] >= _LOOKS_BEFORE_LEAKED:
            self._leak(version)

    def _leak(self, version: Version) -> None:
        version.move(VersionState.LEAKED, self._clock.now())
        logger.warning("%s leaked: still held by %s", version.label, "; ".join(version.holders))
        self._tell(version)

    def _bookkeeping(self) -> Iterator[int]:
        """Ids of what livegraft itself holds versions by."""
        yield id(sys.modules)
        for version in self._loader.versions:
            yield from map(id, (version, version.views))

    def _settle(self) -> None:
        """Tell the releases whose superseded versions have come to an end."""
        now = self._clock.now()
        for batch in list(self._batches):
            batch.draining = {version for version in batch.draining if version.state is VersionState.DRAINING}
            batch.waiting = {version for version in batch.waiting if version.is_leaving}
            if not batch.draining and not batch.drained:
                batch.drained = True
                batch.finished("drained", now)
            if not batch.waiting:
                batch.finished("unloaded", now)
                self._batches.remove(batch)

    def _tell(self, version: Version) -> None:
        self._events.emit("version", version.name, key=version.key, state=version.state.value)


def _names_holders(look: int) -> bool:
    """Whether a version's holders are named at its nth look: that takes time, so less and less often."""
    return look == _FIRST_NAMING or (look >= _LOOKS_BEFORE_LEAKED and look.bit_count() == 1)


def _slice(versions: Iterable[Version]) -> list[Version]:
    """At most so many that one look stays short; a group that cannot be divided stays whole."""
    ordered = sorted(versions, key=lambda version: len(version.users))
    return list(closed_group(ordered[:_SLICE])) or ordered


def _used_by(users: Iterable[Version]) -> tuple[str, ...]:
    return tuple(f"{label}, which uses it and stays" for label in sorted({user.label for user in users}))


def _reason_to_wait(looked: Region, found: Survey) -> str:
    """Why a version that was let go of counts as gone only when its memory is freed; "" when it need not be."""
    if not found.is_whole:
        return f"not verified by region, it has more than {region.LARGEST:,} objects: watched until it is collected"
    if looked.has_finalizers():
        return "nothing: freed by the host's next full collection, which runs its finalizers (__del__)"
    if not gc.isenabled():
        return "nothing: freed when the host collects garbage, which it has turned off"
    return ""
