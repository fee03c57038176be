"""Names what holds objects of a version: the generator, list, module or frame that refers to them.

Python can tell who refers to an object only by reading its whole heap in one go
(``gc.get_referrers``): 90 ms with 3 million containers, in which no thread of the host runs. So this is done
only while the heap is small. Always, and on a large heap alone, it goes the other way: from the host's
modules through what they refer to, breadth first, a slice at a time, until it comes to the object. That never
stops the host for long, finds what a person can act on (the list ``REGISTRY`` of module ``app``), and has a bound.

What ``gc.get_referrers`` returns may be half made: a tuple that a thread of the host is filling has empty places, and
cannot be resized while somebody else refers to it. Tuples are therefore left out, in the same call into C.
"""

from __future__ import annotations

import contextvars
import gc
import itertools
import sys
import sysconfig
import types
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from livegraft.frames import frames_of_other_threads, stack, undisturbed
from livegraft.live import PREFIX
from livegraft.pauses import Pauses
from livegraft.region import Root
from livegraft.suspended import SUSPENDED, code_that_has_ended, frame_of, suspended_code, tasks

SMALL_HEAP_BLOCKS: int = 600_000
"""Allocated blocks up to which the whole heap is read: about 15 ms at most."""

SEARCHED: int = 140_000
"""Objects that a search looks at, at most, from the application's modules on and again from those of packages.

The set that keeps their ids grows in single steps, in which no other thread runs: the next would take 10 ms."""

_DEPTH: Final = 8
_MOST: Final = 10
"""How many holders of a version are named: enough to find the code at fault."""

_TARGETS: Final = 100
"""Held objects whose holders are sought in one look."""

_CHUNK: Final = 100
_LONG: Final = 1_000
_GIANT: Final = 20_000
_CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset, deque})
_LONGEST_KEY: Final = 60
_CONTEXT_NODE: Final = "hamt_bitmap_node"
_ANONYMOUS: Final = frozenset({"tuple", "list", "dict", "cell", "set", "deque"})


@dataclass(frozen=True, slots=True)
class Holders:
    """``names`` for people; ``suspended`` when one is a generator or coroutine that will still go on:
    the version is in use then, not leaked."""

    names: tuple[str, ...]
    suspended: bool


def find_holders(
    held: Sequence[Root], ours: Collection[int], functions: Collection[types.FunctionType] = ()
) -> dict[int, Holders]:
    """Look for who refers to objects that are held from outside, by the owner of these roots.

    ``ours`` are ids of objects that do not count, ``functions`` those of the owners, to tell which are suspended.
    Holders in C (``atexit``, a local variable of an executing frame) do not show: then the held object itself is named
    with the number of its references.
    """
    notes = _Notes(held)
    targets = notes.targets
    skipped = {*map(id, (held, notes.roots, targets)), *map(id, held), *map(id, _running_frames()), *ours}
    direct = direct_holders(targets, skipped)
    notes.count_ended(direct)
    for each in direct:
        if frame_of(each) is not None:
            notes.name_suspended(each)
    # One that nothing names is mostly one of the interpreter's own, on its way.
    others = [each for each in direct if frame_of(each) is None]
    named = notes.name_registered(others)
    for path in _paths([*targets, *others], skipped):
        named.add(id(path[-1]))
        notes.name_path(path)
        notes.count_ended(path)
    unnamed = [each for each in others if id(each) not in named]
    variables = _context_variables(unnamed, {id(others), id(unnamed), *skipped})
    for each in unnamed:
        place = variables.get(id(each), "")
        for target in notes.targets_of(each):
            if place or _kind(each, target) not in _ANONYMOUS:
                notes.name(f"{_kind(each, target)}{place or ', whose own holder does not show'}", target)
    for owner in notes.owners:
        notes.name_hidden(owner, [each for each in functions if id(each.__globals__) == owner])
    return {owner: notes.holders(owner) for owner in notes.owners}


class _Notes:
    """What comes to light about the holders of some roots, by owner.

    ``roots`` are those whose holders are sought: some of each owner, so that none is left out for the many of another.
    """

    def __init__(self, held: Sequence[Root]) -> None:
        self._names: dict[int, list[str]] = {root.owner: [] for root in held}
        self._in_use: set[int] = set()
        # How often code is referred to by what executed it to its end, and by what that was counted.
        self._ended: Counter[int] = Counter()
        self._ended_ids: set[int] = set()
        ranks: Counter[int] = Counter()
        ranked: list[tuple[int, int, Root]] = []
        for root in held:
            ranks[root.owner] += 1
            ranked.append((ranks[root.owner], len(ranked), root))
        self.roots = [root for rank, _, root in sorted(ranked) if rank <= _MOST][:_TARGETS]
        self._roots_of: dict[int, list[Root]] = {}
        for root in self.roots:
            self._roots_of.setdefault(id(root.item), []).append(root)
        self.targets = [those[0].item for those in self._roots_of.values()]
        self._unseen = {root.owner: f"{_describe(root.item)}: {root.count} {_unseen()}" for root in reversed(held)}

    @property
    def owners(self) -> Collection[int]:
        return self._names.keys()

    def targets_of(self, holder: object) -> list[Any]:
        """The targets that it is, or refers to."""
        return [holder] if id(holder) in self._roots_of else _pointed(holder, self.targets)

    def name(self, holder: str, target: object) -> None:
        for root in self._roots_of[id(target)]:
            self._names[root.owner].append(f"{holder} -> {_describe(root.way[-1] if root.way else target)}")

    def name_suspended(self, holder: object) -> None:
        """A generator or coroutine, by what it waits for."""
        for target in self.targets_of(holder):
            self.name(_kind(holder), target)
            self._in_use.update(root.owner for root in self._roots_of[id(target)])

    def name_registered(self, others: Iterable[object]) -> set[int]:
        """What stands in ``sys.modules`` under a name that is not its own; the ids of these."""
        aliases = {id(module): alias for alias, module in list(sys.modules.items()) if not _is_named(module, alias)}
        found = [each for each in (*self.targets, *others) if id(each) in aliases]
        for each in found:
            for target in self.targets_of(each):
                self.name(f"sys.modules[{aliases[id(each)]!r}]", target)
        return set(map(id, found))

    def name_path(self, path: list[Any]) -> None:
        """A way from a module of the host to a target, or to one that refers to targets."""
        for target in self.targets_of(path[-1]):
            for root in self._roots_of[id(target)]:
                whole = [*path, *([] if target is path[-1] else [target]), *root.way]
                self._names[root.owner].append(f"{_told(whole)} -> {_describe(whole[-1])}")

    def count_ended(self, items: Iterable[object]) -> None:
        """Have code that these executed to its end not count as suspended for that."""
        for each in items:
            code = code_that_has_ended(each)
            if code is not None and id(each) not in self._ended_ids:
                self._ended_ids.add(id(each))
                self._ended[id(code)] += 1

    def name_hidden(self, owner: int, functions: Collection[types.FunctionType]) -> None:
        """Suspended functions of an owner that nothing shows."""
        hidden = [] if owner in self._in_use else suspended_code(functions, self._ended)
        if hidden:
            self.count_ended(_referrers([*hidden], {id(hidden)}))
            del hidden
            hidden = suspended_code(functions, self._ended)
        if hidden:
            self._in_use.add(owner)
            if not any("suspended" in text for text in self._names[owner]):
                self._names[owner] += [
                    f"suspended {each.co_qualname}, held where Python does not show it" for each in hidden
                ]

    def holders(self, owner: int) -> Holders:
        names = self._names[owner] or [self._unseen[owner]]
        return Holders(tuple(dict.fromkeys(names))[:_MOST], owner in self._in_use)


def _unseen() -> str:
    if sys.getallocatedblocks() > SMALL_HEAP_BLOCKS:
        return (
            f"references; none came to light among {SEARCHED:,} objects from the application on, nor from its packages"
        )
    return "references that Python does not show"


def _running_frames() -> Iterator[types.FrameType]:
    """Frames that execute now; those left over are kept by a traceback, and tell who keeps it."""
    for top in frames_of_other_threads().values():
        for frame, _ in stack(top):
            yield frame


def direct_holders(targets: Sequence[Any], skipped: Collection[int]) -> list[Any]:
    """Some who refer to these themselves, on a small heap; tuples and modules are left out.

    It takes a part of the targets at a time, because all threads wait meanwhile.
    """
    found: dict[int, Any] = {}
    for begin in range(0, len(targets), _MOST):
        part = list(targets[begin : begin + _MOST])
        found |= {id(each): each for each in _referrers(part, {id(part), id(found), *skipped})[:_TARGETS]}
    return list(found.values())


def _referrers(targets: list[Any], skipped: Collection[int]) -> list[Any]:
    """Who refers to these, on a small heap; without tuples, which may be half made, and what does not count."""
    if sys.getallocatedblocks() > SMALL_HEAP_BLOCKS:
        return []
    referrers = itertools.chain.from_iterable(itertools.starmap(gc.get_referrers, [targets]))
    found: list[Any] = undisturbed(partial(list, itertools.filterfalse(tuple.__instancecheck__, referrers)))
    try:
        return [each for each in found if id(each) not in skipped and not _is_ours(each) and not _is_module(each)]
    finally:
        # A frame of ours in a local of its own would be garbage that holds the very objects that are looked at.
        del found


def _context_variables(items: list[Any], skipped: Collection[int]) -> dict[int, str]:
    """Which of these, by id, are the value of a context variable, and of which; on a small heap.

    The context of a thread is a root of its own: no module leads to it.
    """
    nodes = [each for each in _referrers(items, skipped) if type(each).__name__ == _CONTEXT_NODE] if items else []
    return {id(item): f" in {variable}" for node in nodes for item in items if (variable := _variable_of(node, item))}


def _variable_of(node: object, value: object) -> str:
    """The context variable that has this value, by a node of the tables in which contexts keep theirs."""
    referents = gc.get_referents(node)
    for item, key in itertools.pairwise(referents):  # from the last to the first: a key comes after its value
        if item is value and type(key) is contextvars.ContextVar:
            return f"context variable {key.name}"
    return ""


def _is_ours(holder: object) -> bool:
    """Whether it is the frame of one of the functions that are looking."""
    # By type: asking a proxy for its class would run code of the host.
    name = holder.f_globals.get("__name__") if type(holder) is types.FrameType else None
    return isinstance(name, str) and name.startswith("livegraft.") and not name.startswith(PREFIX)


def _paths(targets: Sequence[Any], skipped: Collection[int]) -> Iterator[list[Any]]:
    """Ways from a module of the host to one of the targets: its globals, one of their values, ..., the target.

    They may begin with a task as well: its loop knows it by a weak reference only while it waits. The application's own
    modules come first: what packages have would take up all that may be looked at before a registry is reached.
    """
    own, packages = _host_modules()
    there = set(map(id, (*own, *packages)))
    wanted = {id(item): item for item in targets if id(item) not in there}  # from those a way begins
    seen = {id(sys.modules), id(wanted), id(targets), id(own), id(packages), *there, *skipped}
    yield from _paths_from([*own, *tasks()], wanted, set(seen))
    if wanted:
        yield from _paths_from(packages, wanted, seen)


def _paths_from(first: Sequence[Any], wanted: dict[int, Any], seen: set[int]) -> Iterator[list[Any]]:
    """Ways from these to what is wanted, which is taken out of there.

    Modules themselves are not asked what they refer to. One written in C may tell of dead objects that it keeps for
    reuse (``_asyncio`` on 3.12 does); to touch such an object frees it a second time.

    Level by level. Of each level the objects are kept, and for each the chunk of the level before in which
    somebody refers to it: so a chunk is read by one call, and the way back is looked up only when there is one.
    """
    seen |= wanted.keys()
    levels: list[Sequence[Any]] = [first]
    origins: list[list[int]] = [[]]
    seen.update(map(id, first), (id(first), id(levels), id(origins), id(seen)))
    count, pause = 0, Pauses()
    while wanted and levels[-1] and len(levels) < _DEPTH and count < SEARCHED:
        last, after, origin = levels[-1], list[Any](), list[int]()
        seen.update((id(last), id(after), id(origin)))
        for number, begin in enumerate(range(0, len(last), _CHUNK)):
            found = _referents(last[begin : begin + _CHUNK], wanted)
            for identity in wanted.keys() & found.keys():
                yield [*_way_back(levels, origins, number, wanted[identity]), wanted.pop(identity)]
            fresh = [
                each
                for identity, each in found.items()
                if identity not in seen and gc.is_tracked(each) and not _is_module(each)
            ]
            seen.update(map(id, fresh))
            after += fresh
            origin += itertools.repeat(number, len(fresh))
            count += len(fresh)
            if not wanted or count >= SEARCHED:
                break
            pause()
        levels.append(after)
        origins.append(origin)


def _host_modules() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The globals of the process's modules but for versions: the application's own, and those of installed packages.

    Of these the standard library's come last.
    """
    own: list[dict[str, Any]] = []
    packages: list[types.ModuleType] = []
    for module in list(sys.modules.values()):
        if not _is_module(module) or str(module.__name__).startswith(PREFIX):
            continue
        file = vars(module).get("__file__")
        if module.__name__ == "__main__" or (type(file) is str and not file.startswith(_INSTALLED)):
            own.append(vars(module))
        else:
            packages.append(module)
    packages.sort(key=lambda module: str(module.__name__).partition(".")[0] in sys.stdlib_module_names)
    return own, [vars(module) for module in packages]


_INSTALLED: Final = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Folders of what is installed and not the application's own."""


def _is_named(item: Any, name: str) -> bool:
    return _is_module(item) and item.__name__ == name


def _is_module(item: object) -> bool:
    return issubclass(type(item), types.ModuleType)


def _referents(chunk: Sequence[Any], wanted: Collection[int]) -> dict[int, Any]:
    """What these objects refer to, by id; of a giant container only what is wanted.

    Long containers are read one at a time: in each call no other thread runs.
    """
    found = {id(each): each for each in gc.get_referents(*(each for each in chunk if _length(each) <= _LONG))}
    for container in (each for each in chunk if _length(each) > _LONG):
        if _length(container) > _GIANT:
            found.update(_wanted_of(container, wanted))
        else:
            found.update((id(each), each) for each in gc.get_referents(container))
    return found


def _length(item: Any) -> int:
    return len(item) if type(item) in _CONTAINERS else 0


def _wanted_of(giant: Any, wanted: Collection[int]) -> dict[int, Any]:
    """Those of the wanted that a giant container holds, read a slice at a time."""
    found: dict[int, Any] = {}
    items = iter(giant.values() if isinstance(giant, dict) else giant)
    try:
        while part := list(itertools.islice(items, _GIANT)):
            found.update((id(each), each) for each in part if id(each) in wanted)
    except RuntimeError:  # it was changed meanwhile
        pass
    return found


def _way_back(levels: Sequence[Sequence[Any]], origins: Sequence[Sequence[int]], number: int, item: Any) -> list[Any]:
    """From an object in reach of a chunk of the last level back to the module where the way begins."""
    way: list[Any] = []
    for depth in range(len(levels) - 1, -1, -1):
        begin = number * _CHUNK
        for place in range(begin, min(begin + _CHUNK, len(levels[depth]))):
            holder = levels[depth][place]
            if id(item) in _referents([holder], {id(item)}):
                way.append(holder)
                item, number = holder, origins[depth][place] if depth else 0
                break
        else:
            return way[::-1]  # it let go meanwhile
    return way[::-1]


def _told(path: Sequence[Any]) -> str:
    """``list REGISTRY in module app``: the holder, what it is in, and the module's name for that."""
    names, rest = path[0], path[1:-1]
    if type(names) is not dict or type(names.get("__name__")) is not str:
        return " in ".join(_kinds(path))
    first = rest[0] if rest else path[-1]
    name = next((str(name) for name, value in list(names.items()) if value is first), "a value")
    if not rest:
        return f"name {name} in module {names['__name__']}"
    told = " in ".join(_kinds(path[1:]))
    return f"{told if told.endswith(f'class {name}') else f'{told} {name}'} in module {names['__name__']}"


def _kinds(path: Sequence[Any]) -> list[str]:
    """What each object of a way is, but for the last; innermost first, with the key under which it has the one within.

    The dictionary of a class is its attributes.
    """
    kinds: list[str] = []
    attribute = ""
    for number in range(len(path) - 2, -1, -1):
        holder, item = path[number : number + 2]
        key = _key_of(holder, item)
        if key and number and issubclass(type(path[number - 1]), type):
            attribute = f"attribute {key} of "
        else:
            kinds.append(f"{attribute}{f'key {key!r} of ' if key else ''}{_kind(holder, item)}")
            attribute = ""
    return kinds


def _key_of(holder: Any, item: object) -> str:
    """The key of a dictionary that has this value, if that is a text that people can read."""
    if type(holder) is not dict or len(holder) > _GIANT:
        return ""
    key = next((key for key, value in list(holder.items()) if value is item), None)
    return key if type(key) is str and len(key) <= _LONGEST_KEY else ""


def _pointed(holder: object, targets: Sequence[Any]) -> list[Any]:
    """To which of the targets it refers."""
    referents = set(map(id, gc.get_referents(holder)))
    return [item for item in targets if id(item) in referents]


def _kind(holder: object, item: object = None) -> str:
    """What a holder is, as that of an item."""
    kind = type(holder)
    if kind.__name__ == _CONTEXT_NODE and (variable := _variable_of(holder, item)):
        return variable
    if kind in SUSPENDED:
        frame = frame_of(holder)
        line = f" at line {frame.f_lineno}" if frame is not None else ""
        return f"suspended {kind.__name__.replace('_', ' ')} {getattr(holder, '__qualname__', '')}{line}"
    if type(holder) is types.FrameType:
        return f"frame of {holder.f_code.co_qualname}"
    if type(holder) is types.FunctionType:
        return f"function {holder.__qualname__}"
    return f"class {_name(holder)}" if issubclass(kind, type) else _name(kind)


def _describe(item: object) -> str:
    if type(item) is types.FunctionType:
        return f"function {item.__qualname__}"
    if issubclass(type(item), type):
        return f"class {_name(item)}"
    if issubclass(type(item), types.ModuleType):
        return "the module"
    if type(item) is dict and "__builtins__" in item:
        return "the module's globals"
    return f"{_name(type(item))} object"


def _name(kind: Any) -> str:
    return str(type.__dict__["__qualname__"].__get__(kind))
