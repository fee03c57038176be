"""Whether anything outside still refers to a set of modules: decided by looking at them alone.

The question "can this version be freed?" is the one that Python's cyclic collector answers for the
whole heap. Its arithmetic works as well for a part: take a region of objects, count for each how
many references come from within the region, and compare with its reference count. What is left
over comes from outside. An object that nothing outside refers to, and that no such object reaches,
is free. The cost grows with the region, never with the host's heap.

**The region** is all that the modules reach, up to a boundary: the host's modules and types, and
atoms. A class that no module has by its name (``types.new_class``) may be made of the modules' functions, and is no
boundary. A boundary drawn too narrow makes an object look held (its inner references are not counted);
it can never make a held object look free, so "free" is definite and "held" is looked at again. Therefore
it does not matter that the region is collected while the host's threads change it.

**The look** must be of one instant. A thread of the host moves references while Python code looks: it holds a
function, reads a class from its globals, lets go of the function. Counting the class before and the
function after that would find neither held. So all reference counts and all edges of the region are read in one call
into C, within which no other thread runs (``_look``). Whoever can reach the modules at that instant does so
by a path; the last edge of this path that comes into the region is counted by the object it points at and by no
object of the region, so that object is a root, and the rest of the path lies among the edges that were read.

**Emptying** the modules of a free region returns its memory now, and not at the host's next full collection.
Between the look and that, somebody could still come in by a weak reference. So it is not done where the host
has weak references into the free part; and it happens in one call into C with a second look at all counts
(``clear``): when one differs, nothing is emptied.

**Bounds.** The one call must be short, so the region is at most ``LARGEST`` objects. A larger one is looked at
again within a narrower boundary; if that does not settle it, the answer is "not verified" (``is_whole`` is False).

Reference counts must be exact, so this does not hold on free-threaded builds.
"""

from __future__ import annotations

import gc
import itertools
import operator
import sys
import types
import weakref
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from livegraft.frames import undisturbed

LARGEST: int = 50_000
"""Objects of a region at most. Reading their counts and edges at once takes about 12 ms on a usual machine."""

_SLICE: Final = 1_000
"""Objects whose referents are read by one call while the region grows."""

_ATOMS: Final = frozenset(
    {
        str,
        bytes,
        int,
        float,
        complex,
        bool,
        type(None),
        type(Ellipsis),
        type(NotImplemented),
        range,
        types.CodeType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ClassMethodDescriptorType,
    }
)
_SIZED: Final = (list, dict, tuple, set, frozenset, deque)
_EXACT: Final = frozenset(_SIZED)
_WITHIN: Final = frozenset({*_SIZED, types.FunctionType, types.MethodType, types.CellType}) - {dict}
"""What is never beyond the boundary, and the most of what there is."""

_MATERIAL: Final = frozenset(
    {"builtins", "types", "functools", "collections", "weakref", "abc", "_abc", "typing", "dataclasses", "enum"}
)
"""Where the types are from that code is made of: with these and the instances of its own classes, a version's region
within the narrower boundary."""

_END: Final = -1

_FAR: Final = 2_000
"""Objects of the host that are looked through for further modules to which they lead, once one is found."""

_SUSPENDED: Final = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_IMMORTAL: Final = 1 << 28
"""Counts from here on mark objects that are never freed (3.12 and later)."""


@dataclass(frozen=True, slots=True)
class Root:
    """An object that outside references point at, ``count`` of them, and the way from it to what is a module's own.

    The way ends at a function, a class, an instance or the globals of that module; it is empty where the root is that.
    ``owner`` is the id of the module's dictionary. A root from which ways lead to several modules comes once for each.
    """

    item: Any
    count: int
    way: tuple[Any, ...]
    owner: int


@dataclass(frozen=True)
class Survey:
    """What a look at a region found.

    ``held`` are the ids of the examined modules' dictionaries that something outside reaches, or reaches a class of;
    ``inside`` are the ids of all objects of the region, ``object_count`` of them go with the modules. ``is_whole`` is
    False when the region was too large: then ``held`` is no finding.
    """

    held: frozenset[int]
    find_roots: Callable[[], tuple[Root, ...]]
    inside: Collection[int]
    object_count: int
    is_whole: bool = True

    @cached_property
    def roots(self) -> tuple[Root, ...]:
        """The objects that this goes through. Few are asked for."""
        return self.find_roots()


class Region:
    """The region of some modules, collected when it is made.

    ``extra`` are further objects that belong to the modules, each with the places of the modules that it stands
    for: who holds it holds them. ``known`` maps the id of an object to how many references to it are bookkeeping of
    the caller (``sys.modules`` and the like; the two arguments themselves count here); ``beyond`` are objects at
    which the region ends.

    It keeps its objects: let go of it soon. Nothing of the caller may refer to one of them by another name while
    it looks, or that counts as held.
    """

    def __init__(
        self,
        modules: Sequence[types.ModuleType],
        *,
        extra: Sequence[tuple[object, Sequence[int]]] = (),
        known: Mapping[int, int],
        beyond: Iterable[object] = (),
    ) -> None:
        # Both are kept: what refers to the objects must be the same for as long as this lives.
        self._modules, self._extra = modules, extra
        self._dicts = [vars(module) for module in modules]
        self._owners = {module.__name__: id(vars(module)) for module in modules}
        self._names = self._owners.keys()
        self._dict_ids = set(self._owners.values())
        self._beyond = {id(sys.modules), *map(id, beyond)}
        self._known = Counter(known)
        # They are counted as holders below, so they must be there whenever it looks.
        self._given = (modules, extra)
        self._begin: list[Any] = [*modules, *self._dicts, *(item for item, _ in extra)]
        for ours in (modules, self._dicts, [item for item, _ in extra], self._begin):
            self._known.update(map(id, ours))
        self.is_narrow = False
        self.is_whole = self._grow()
        if not self.is_whole:
            self.is_narrow = True
            self.is_whole = self._grow()
        self._stands_for = {
            self._index[id(item)]: [self._index[id(self._dicts[place])] for place in those] for item, those in extra
        }
        self._counts: list[int] = []
        self._arguments: tuple[Any, ...] = ()
        # What nothing outside reaches: the part that goes with the modules. The rest is the host's.
        self._free: list[Any] = []
        self._free_counts: list[int] = []
        self._is_free = False

    def survey(self) -> Survey:
        """Look who holds the modules."""
        if not self.is_whole:
            return Survey(frozenset(map(id, self._dicts)), tuple, frozenset(), 0, is_whole=False)
        edges = self._look()
        items, counts = self._items, self._counts
        within, known = Counter(edges.referents).get, self._known.get
        roots = [
            (place, unknown)
            for place, count in enumerate(counts)
            if 0 < (outside := count - within(place, 0) - _OWN_REFERENCES) < _IMMORTAL
            and (unknown := outside - known(id(items[place]), 0)) > 0
        ]
        reached = _closure((place for place, _ in roots), edges.rows)
        free = [place for place, count in enumerate(counts) if place not in reached and count < _IMMORTAL]
        self._free = [items[place] for place in free]
        self._free_counts = [counts[place] + 1 for place in free]  # that list refers to them too
        kept = {place: owner for place, owner in self._owned() if place in reached}
        held = set(kept.values())
        self._is_free = not held

        def guilty() -> tuple[Root, ...]:
            # Much that a module refers to is the host's, and held by it rightly: only what leads back counts.
            leading = edges.leading_to(kept) if held else set()
            return tuple(
                Root(items[place], count, tuple(items[each] for each in way), owner)
                for place, count in roots
                if place in leading
                for owner, way in edges.ways(place, leading, self._owner_of)
            )

        is_settled = not (held and self.is_narrow)
        return Survey(frozenset(held), guilty, self._index.keys(), len(free), is_whole=is_settled)

    def _owned(self) -> Iterator[tuple[int, int]]:
        """The places of the modules' dictionaries and classes, each with the id of its module's dictionary.

        A class without methods does not lead to its module, but it is the version's all the same.
        """
        kinds = {kind for kind in set(map(type, self._items)) if issubclass(kind, type)}
        for place, item in enumerate(self._items):
            kind = type(item)
            if kind is dict:
                if id(item) in self._dict_ids:
                    yield place, id(item)
            elif kind in kinds and item.__module__ in self._owners:
                yield place, self._owners[item.__module__]

    def _owner_of(self, place: int) -> int | None:
        """The id of the dictionary of the module that the object there is of; None for one of the host's."""
        for those in self._stands_for.get(place, ()):
            return id(self._items[those])
        item = self._items[place]
        kind = type(item)
        if kind is dict:
            return id(item) if id(item) in self._dict_ids else None
        if issubclass(kind, types.ModuleType):
            return id(vars(item)) if id(vars(item)) in self._dict_ids else None
        if kind is types.FunctionType:
            # By name: what is compiled for a class (by attrs) has a copy of the globals.
            return self._owners.get(item.__globals__.get("__name__"))
        return self._owners.get(item.__module__ if issubclass(kind, type) else kind.__module__)

    def functions(self) -> list[types.FunctionType]:
        """The functions among its objects whose globals are those of the modules."""
        return [
            item for item in self._items if type(item) is types.FunctionType and id(item.__globals__) in self._dict_ids
        ]

    def has_finalizers(self) -> bool:
        """Whether freeing it runs code of its own: ``__del__``, the ``finally`` of a suspended generator."""
        kinds = set(map(type, self._free))
        return any(
            issubclass(kind, _SUSPENDED) or any("__del__" in vars(base) for base in kind.__mro__) for kind in kinds
        )

    def is_seen_weakly(self) -> bool:
        """Whether the host could come in by a weak reference of its own, or find a class by its base."""
        for item in self._free:
            if issubclass(type(item), type):
                if any(id(base) not in self._index and not _is_standard(base) for base in item.__bases__):
                    return True
            elif weakref.getweakrefcount(item) and any(
                id(each) not in self._index for each in weakref.getweakrefs(item)
            ):
                return True
        return False

    def clear(self) -> bool:
        """Empty the dictionaries of the modules if the survey found them free and nothing changed since.

        One call into C: the comparison and the emptying come without another thread in between. False when
        they are not empty now.
        """
        if not self._is_free:
            return False
        counts = map(list, [map(sys.getrefcount, self._free)])
        is_same = map(operator.eq, counts, [self._free_counts])
        emptied = map(list, itertools.compress([map(dict.clear, self._dicts)], is_same))
        return bool(undisturbed(partial(list, emptied)))

    def _grow(self) -> bool:
        """Take in all that is reachable; False when that is too much."""
        self._items: list[Any] = list(self._begin)
        self._index: dict[int, int] = {id(item): place for place, item in enumerate(self._items)}
        index, items, beyond = self._index, self._items, self._beyond
        begin = 0
        while begin < len(items):
            part = items[begin : begin + _SLICE]
            if _has_giant(part):
                return False
            begin += len(part)
            # Most of what is found are atoms, or known: both are left out before anything is looked at one by one.
            found = {id(each): each for each in gc.get_referents(*part) if type(each) not in _ATOMS}
            for identity in set(found).difference(index):
                item = found[identity]
                if identity not in beyond and (type(item) in _WITHIN or not self._is_beyond(item)):
                    index[identity] = len(items)
                    items.append(item)
            if len(items) > LARGEST:
                return False
        return True

    def _is_beyond(self, item: object) -> bool:
        kind = type(item)
        if kind is dict:
            return _is_of_a_module(item)
        if issubclass(kind, type):
            is_own = any(base.__module__ in self._names for base in item.__mro__)  # type: ignore[attr-defined]
            return not is_own and _is_found_by_name(item)
        if kind is types.BuiltinFunctionType:
            owner = getattr(item, "__self__", None)
            return owner is None or issubclass(type(owner), types.ModuleType)
        if issubclass(kind, types.ModuleType):
            return True
        return self.is_narrow and kind.__module__ not in self._names and kind.__module__ not in _MATERIAL

    def _look(self) -> _Edges:
        """Read all counts and all edges at one instant.

        A separator behind each object's referents tells them apart.
        """
        separator = (object(),)
        arguments: list[Any] = [separator] * (2 * len(self._items) + 1)
        arguments[0], arguments[1::2] = gc.get_referents, self._items
        self._arguments = tuple(arguments)
        del arguments
        calls: list[tuple[Any, ...]] = [(list, map(sys.getrefcount, self._items)), self._arguments]
        referents: list[Any]
        self._counts, referents = undisturbed(partial(list, itertools.starmap(operator.call, calls)))
        # From here on by maps over whole lists, in C: the number of edges decides what a look costs.
        places = {**self._index, id(separator[0]): _END}
        found = list(map(places.get, map(id, referents)))
        del referents
        return _Edges([place for place in found if place is not None], self._stands_for)


class _Edges:
    """The places to which each object of a region refers, in one list: each row ends with ``_END``.

    ``more`` are places that count as referred to, without being counted.
    """

    def __init__(self, referents: Sequence[int], more: Mapping[int, Sequence[int]]) -> None:
        self.referents = referents
        self._more = more
        self._ends = [-1, *(at for at, place in enumerate(referents) if place == _END)]

    def rows(self, places: Collection[int]) -> list[Sequence[int]]:
        """To which places each of these refers."""
        referents, ends = self.referents, self._ends
        rows = [referents[ends[place] + 1 : ends[place + 1]] for place in places]
        return rows + [more for place, more in self._more.items() if place in places]

    def ways(
        self, begin: int, within: Collection[int], owner_of: Callable[[int], int | None]
    ) -> Iterator[tuple[int, list[int]]]:
        """Shortest ways from a place to places that have an owner, one for each owner; without the first place."""
        before = {begin: begin}
        pending = deque([begin])
        found: set[int] = set()
        while pending and not (found and len(before) > _FAR):
            place = pending.popleft()
            owner = owner_of(place)
            if owner is None:
                for referents in self.rows([place]):
                    fresh = [each for each in referents if each in within and each not in before]
                    before.update(dict.fromkeys(fresh, place))
                    pending += fresh
            elif owner not in found:
                found.add(owner)
                way = []
                while place != begin:
                    way.append(place)
                    place = before[place]
                yield owner, way[::-1]

    def leading_to(self, targets: Iterable[int]) -> set[int]:
        """The places from which one of the targets can be reached."""
        back: list[list[int]] = [[] for _ in self._ends]
        place = 0
        for referent in self.referents:
            if referent == _END:
                place += 1
            else:
                back[referent].append(place)
        for place, referents in self._more.items():
            for referent in referents:
                back[referent].append(place)
        return _closure(targets, lambda places: [back[place] for place in places])


def survey(
    modules: Sequence[types.ModuleType],
    *,
    extra: Sequence[tuple[object, Sequence[int]]] = (),
    known: Mapping[int, int],
    beyond: Iterable[object] = (),
) -> Survey:
    """Look at the region of some modules; the arguments are those of ``Region``."""
    return Region(modules, extra=extra, known=known, beyond=beyond).survey()


def _closure(begin: Iterable[int], rows: Callable[[Collection[int]], Iterable[Iterable[int]]]) -> set[int]:
    """All places that can be reached; ``rows`` gives what some places lead to."""
    reached: set[int] = set()
    pending = set(begin)
    while pending:
        reached |= pending
        pending = set().union(*rows(pending)) - reached
    return reached


def _has_giant(part: Sequence[Any]) -> bool:
    """Whether reading the referents of one of these alone takes too long."""
    if max(map(len, [item for item in part if type(item) in _EXACT]), default=0) > LARGEST:
        return True
    derived = {kind for kind in set(map(type, part)) - _EXACT if issubclass(kind, _SIZED)}
    return bool(derived) and any(_size(item) > LARGEST for item in part if type(item) in derived)


def _size(item: Any) -> int:
    """The length of an instance of a derived class, whatever that makes of ``len``."""
    base = next(base for base in _SIZED if issubclass(type(item), base))
    return base.__len__(item)


def _is_of_a_module(item: Any) -> bool:
    """Whether a dictionary is the globals of a module that is registered."""
    name = item.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    return getattr(module, "__dict__", None) is item


def _is_found_by_name(kind: Any) -> bool:
    """Whether the module that a class names has it by its name."""
    name = kind.__module__
    found: Any = sys.modules.get(name) if type(name) is str else None
    for part in str(kind.__qualname__).split("."):
        names = getattr(found, "__dict__", None)
        found = names.get(part) if names is not None else None
    return found is kind


def _is_standard(kind: type) -> bool:
    name = kind.__module__
    return type(name) is str and name.partition(".")[0] in sys.stdlib_module_names


def _measure_own_references() -> int:
    """How many references a look itself adds to an object that nothing refers to."""
    region = Region((), known={})
    probe: Any = [object()]
    region._index[id(probe)] = 0
    region._items.append(probe)
    del probe
    region._look()
    return region._counts[0]


_OWN_REFERENCES: int = _measure_own_references()
