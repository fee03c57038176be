"""Names what holds objects of a version: the generator, list, module or frame that refers to them."""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

_MOST: Final = 10
"""How many holders are named: enough to find the code at fault."""

_LEVELS: Final = 3
"""How far up it is looked for a name: an attribute of an object in a list of a module, say."""

_SUSPENDED: Final = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)


@dataclass(frozen=True, slots=True)
class Holders:
    """``names`` for people; ``suspended`` when one is a generator or coroutine that will still go on:
    the version is in use then, not leaked."""

    names: tuple[str, ...]
    suspended: bool


def find_holders(held: Sequence[tuple[Any, int]], inside: Collection[int]) -> Holders:
    """Look for who refers to objects that are held from outside; ``inside`` are ids that do not count.

    One pass over the heap for all of them. Holders in C (``atexit``, an executing frame's locals) do
    not show: then the held object itself is named with the number of its references.
    """
    targets = [item for item, _ in held[:_MOST]]
    skipped = {id(held), id(targets), *map(id, held), *inside}
    referrers = [each for each in gc.get_referrers(*targets) if id(each) not in skipped and not _is_frame(each)]
    names = [f"{_name(each)} -> {_describe_held(_pointed(each, targets))}" for each in referrers[:_MOST]]
    if not names:
        names = [f"{_describe_held(item)}: {count} references that Python does not show" for item, count in held]
    suspended = any(isinstance(each, _SUSPENDED) for each in referrers)
    return Holders(tuple(dict.fromkeys(names[:_MOST])), suspended)


def _is_frame(item: object) -> bool:
    return isinstance(item, types.FrameType)


def _pointed(holder: object, targets: Sequence[Any]) -> object:
    referents = set(map(id, gc.get_referents(holder)))
    return next((item for item in targets if id(item) in referents), None)


def _name(holder: object) -> str:
    if isinstance(holder, _SUSPENDED):
        frame = next(filter(None, (getattr(holder, f"{kind}_frame", None) for kind in ("gi", "cr", "ag"))), None)
        line = f" at line {frame.f_lineno}" if frame is not None else ""
        return f"suspended {type(holder).__name__.replace('_', ' ')} {getattr(holder, '__qualname__', '')}{line}"
    if isinstance(holder, dict) and isinstance(holder.get("__name__"), str) and "__builtins__" in holder:
        return f"globals of module {holder['__name__']}"
    return f"{type(holder).__qualname__}{_owner(holder, _LEVELS)}"


def _owner(item: object, levels: int) -> str:
    """Where an object stands: the module's global or the object's attribute that it is, or is in."""
    containers = [each for each in gc.get_referrers(item) if not _is_frame(each)]
    for container in containers:
        if isinstance(container, dict):
            name = next((str(key) for key, value in list(container.items()) if value is item), None)
            if name is not None and isinstance(container.get("__name__"), str):
                return f" {name} in module {container['__name__']}"
    for container in containers if levels > 1 else ():
        if isinstance(container, list | dict | set | tuple | deque) or hasattr(container, "__dict__"):
            place = _owner(container, levels - 1)
            if place:
                return f" in {type(container).__qualname__}{place}"
    return ""


def _describe_held(item: object) -> str:
    if isinstance(item, types.FunctionType):
        return f"function {item.__qualname__}"
    if isinstance(item, type):
        return f"class {item.__qualname__}"
    if isinstance(item, types.ModuleType):
        return "the module"
    if isinstance(item, dict) and "__builtins__" in item:
        return "the module's globals"
    return f"{type(item).__qualname__} object"
