"""Whether anything outside still refers to a set of modules: decided by looking at them alone.

The question "can this version be freed?" is the one that Python's cyclic collector answers for the
whole heap. Its arithmetic works as well for a part: take a region of objects, count for each how
many references come from within the region, and compare with its reference count. What is left
over comes from outside. An object that nothing outside refers to, and that no such object reaches,
is free. The cost grows with the region, never with the host's heap.

The region is all that the modules reach, up to a boundary: the host's modules and types, and
atoms. A boundary drawn too narrow makes an object look held (its inner references are not counted);
it can never make a held object look free, so "free" is definite and "held" is looked at again.

Reference counts must be exact, so this does not hold on free-threaded builds.
"""

from __future__ import annotations

import gc
import sys
import types
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_ATOMS: Final = (
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
)
_C_LEVEL: Final = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)
_IMMORTAL: Final = 1 << 28
"""Counts from here on mark objects that are never freed (3.12 and later)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at a region found.

    ``held`` are the ids of the examined modules' dictionaries that something outside reaches;
    ``roots`` are the objects that this goes through: outside references point at them, with how many;
    ``inside`` are the ids of all objects of the region;
    ``has_finalizers`` tells whether freeing it would run code of its own (``__del__``, a suspended
    generator's ``finally``).
    """

    held: frozenset[int]
    roots: tuple[tuple[Any, int], ...]
    inside: frozenset[int]
    has_finalizers: bool

    @property
    def object_count(self) -> int:
        return len(self.inside)


def survey(
    modules: Sequence[types.ModuleType],
    *,
    extra: Sequence[object] = (),
    known: Mapping[int, int],
    beyond: Iterable[object] = (),
) -> Survey:
    """Look at the region of some modules.

    ``extra`` are further objects that belong to them; ``known`` maps the id of an object to how many
    references to it are bookkeeping of the caller (``sys.modules`` and the like; the two sequences
    count by themselves); ``beyond`` are objects at which the region ends.
    """
    region = _Region(modules, extra, beyond)
    known = Counter(known)
    known.update(id(item) for item in (*modules, *extra))
    region.grow()
    roots = region.held_from_outside(known)
    reached = region.reached_from([item for item, _ in roots])
    held = frozenset(id(vars(module)) for module in modules if id(vars(module)) in reached)
    # Much that a module refers to is the host's, and held by it rightly: only what leads back counts.
    guilty = region.leading_to(held) if held else set()
    roots = [(item, count) for item, count in roots if id(item) in guilty]
    return Survey(held, tuple(roots), frozenset(region.inner), region.has_finalizers())


class _Region:
    def __init__(self, modules: Sequence[types.ModuleType], extra: Iterable[object], beyond: Iterable[object]) -> None:
        self.names = {module.__name__ for module in modules}
        self.beyond = {id(item) for item in beyond}
        self.beyond.update(id(getattr(module, "__dict__", None)) for module in list(sys.modules.values()))
        self.beyond.difference_update(id(vars(module)) for module in modules)
        self.objects: dict[int, Any] = {id(item): item for item in (*modules, *extra)}
        self.inner: dict[int, int] = dict.fromkeys(self.objects, 0)

    def grow(self) -> None:
        """Take in all that is reachable, counting the references from within."""
        pending = list(self.objects.values())
        own_tools = {id(self.objects), id(self.inner), id(pending), id(self.__dict__)}
        while pending:
            item = pending.pop()
            for referent in gc.get_referents(item):
                identity = id(referent)
                if identity in self.inner:
                    self.inner[identity] += 1
                elif identity not in own_tools and not self._is_beyond(referent):
                    self.objects[identity] = referent
                    self.inner[identity] = 1
                    pending.append(referent)

    def _is_beyond(self, item: object) -> bool:
        kind = type(item)
        if kind in _ATOMS or kind in _C_LEVEL or id(item) in self.beyond:
            return True
        if isinstance(item, type):
            return not any(base.__module__ in self.names for base in item.__mro__)
        if kind is types.BuiltinFunctionType:
            owner = getattr(item, "__self__", None)
            return owner is None or isinstance(owner, types.ModuleType)
        return isinstance(item, types.ModuleType)

    def held_from_outside(self, known: Mapping[int, int]) -> list[tuple[Any, int]]:
        """Objects with more references than the region and our bookkeeping explain."""
        found = []
        for identity in self.inner:
            item = self.objects[identity]
            count = sys.getrefcount(item)
            if count < _IMMORTAL:
                outside = count - _OWN_REFERENCES - self.inner[identity] - known.get(identity, 0)
                if outside > 0:
                    found.append((item, outside))
        return found

    def reached_from(self, roots: Iterable[object]) -> set[int]:
        pending = list(roots)
        reached = {id(item) for item in pending}
        while pending:
            for referent in gc.get_referents(pending.pop()):
                if id(referent) in self.inner and id(referent) not in reached:
                    reached.add(id(referent))
                    pending.append(referent)
        return reached

    def leading_to(self, targets: Iterable[int]) -> set[int]:
        """Ids of the objects from which one of the targets can be reached."""
        referrers: dict[int, list[int]] = {}
        for identity, item in self.objects.items():
            for referent in gc.get_referents(item):
                if id(referent) in self.inner:
                    referrers.setdefault(id(referent), []).append(identity)
        pending = list(targets)
        leading = set(pending)
        while pending:
            for identity in referrers.get(pending.pop(), ()):
                if identity not in leading:
                    leading.add(identity)
                    pending.append(identity)
        return leading

    def has_finalizers(self) -> bool:
        return any(hasattr(type(item), "__del__") or _is_suspended(item) for item in self.objects.values())


def _is_suspended(item: object) -> bool:
    return isinstance(item, types.GeneratorType | types.CoroutineType | types.AsyncGeneratorType)


def _measure_own_references() -> int:
    """How many references ``held_from_outside`` itself adds to an object that nothing refers to."""
    region = _Region((), (), ())
    probe: Any = [object()]
    region.objects[id(probe)] = probe
    region.inner[id(probe)] = 0
    del probe
    [(_, count)] = region.held_from_outside({})
    return count


_OWN_REFERENCES: int = 0
_OWN_REFERENCES = _measure_own_references()
