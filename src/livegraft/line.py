"""The line in which runs wait for their turn: by priority, fair between scripts, within the limits that scripts set.

Who has a higher priority goes first. Among equals the scripts take turns, so that a thousand runs of one do not keep
the others waiting; the runs of one script go in the order in which they came. A run whose group is at its limit
lets others pass.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """What a run waits for: a place in a ``pool``.

    Of one ``group`` at most ``limit`` have a place at once; 0 sets no limit. Higher priorities go first.
    """

    pool: str
    script: str
    priority: int = 0
    group: str = ""
    limit: int = 0


_Groups = OrderedDict[str, deque[str]]
_Scripts = OrderedDict[str, _Groups]


class Line:
    """Runs by id. ``sizes`` says how many places each pool has. Not safe for threads: its owner has a lock.

    A run that is stuck keeps its place, and its pool gets another one for it, up to as many as it has by itself.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._turns: dict[str, Turn] = {}
        self._waiting: dict[str, dict[int, _Scripts]] = {pool: {} for pool in sizes}
        self._placed: dict[str, set[str]] = {pool: set() for pool in sizes}
        self._stuck: dict[str, set[str]] = {pool: set() for pool in sizes}
        self._group_counts: Counter[tuple[str, str]] = Counter()
        self._closed: set[tuple[str, str]] = set()

    def __contains__(self, id: str) -> bool:
        return id in self._turns

    def put(self, id: str, turn: Turn) -> None:
        """Have a run wait at the end of the line."""
        self._turns[id] = turn
        scripts = self._waiting[turn.pool].setdefault(turn.priority, OrderedDict())
        scripts.setdefault(turn.script, OrderedDict()).setdefault(turn.group, deque()).append(id)

    def has_room(self, pool: str) -> bool:
        """Whether a run that comes now would have a place at once, if its group has one."""
        return len(self._placed[pool]) < self._sizes[pool] and not self._waiting[pool]

    def has_places(self) -> bool:
        """Whether any pool has a place that nobody waits for."""
        return any(map(self.has_room, self._sizes))

    def put_back(self, id: str) -> None:
        """Its group has no place after all: it waits again, before the others of its group, until open()."""
        turn = self._turns[id]
        self.leave(id)
        self._turns[id] = turn
        scripts = self._waiting[turn.pool].setdefault(turn.priority, OrderedDict())
        scripts.setdefault(turn.script, OrderedDict()).setdefault(turn.group, deque()).appendleft(id)
        self._closed.add((turn.script, turn.group))

    def open(self) -> None:
        """The places of groups may have become free: their runs may be taken again."""
        self._closed.clear()

    def take(self) -> str | None:
        """Give the next run its place, if there is one for anybody."""
        for pool, size in self._sizes.items():
            room = size + min(len(self._stuck[pool]), size)
            if len(self._placed[pool]) < room and (id := self._take_from(pool)) is not None:
                return id
        return None

    def leave(self, id: str) -> None:
        """A run does not wait any more, or has left its place. Idempotent."""
        turn = self._turns.pop(id, None)
        if turn is not None and id in self._placed[turn.pool]:
            self._placed[turn.pool].discard(id)
            self._stuck[turn.pool].discard(id)
            self._group_counts[turn.script, turn.group] -= 1

    def give_up(self, id: str) -> None:
        """A run does not leave its place."""
        turn = self._turns.get(id)
        if turn is not None:
            self._stuck[turn.pool].add(id)

    def _take_from(self, pool: str) -> str | None:
        priorities = self._waiting[pool]
        for priority in sorted(priorities, reverse=True):
            scripts = priorities[priority]
            taken, emptied = None, []
            for script, groups in scripts.items():
                taken = self._first(groups)
                if taken is not None:
                    break
                if not groups:
                    emptied.append(script)
            for script in emptied:
                del scripts[script]
            if taken is not None:
                scripts.move_to_end(self._turns[taken].script)
                return taken
            if not scripts:
                del priorities[priority]
        return None

    def _first(self, groups: _Groups) -> str | None:
        """The first run of a script that may start now; groups in which none waits are removed."""
        for group in list(groups):
            ids = groups[group]
            while ids and ids[0] not in self._turns:  # it left
                ids.popleft()
            if not ids:
                del groups[group]
                continue
            turn = self._turns[ids[0]]
            place = turn.script, turn.group
            if not turn.limit or (self._group_counts[place] < turn.limit and place not in self._closed):
                id = ids.popleft()
                self._group_counts[place] += 1
                self._placed[turn.pool].add(id)
                return id
        return None
