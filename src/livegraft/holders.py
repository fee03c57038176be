"""Names what holds objects of a version: the generator, list, module or frame that refers to them."""

from __future__ import annotations

import gc
import types
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MOST: Final = 10
"""How many holders are named: enough to find the code at fault."""

_SUSPENDED: Final = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)


@dataclass(frozen=True, slots=True)
class Holders:
    """``names`` for people; ``suspended`` when one is a generator or coroutine that will still go on:
    the version is in use then, not leaked."""

    names: tuple[str, ...]
    suspended: bool


def find_holders(held: Iterable[tuple[Any, int]], inside: Collection[int]) -> Holders:
    """Look for who refers to objects that are held from outside; ``inside`` are ids that do not count.

    One pass over the heap for all of them. Holders in C (``atexit``, an executing frame's locals) do
    not show: then the held object itself is named with the number of its references.
    """
    held = list(held)[:_MOST]
    targets = [item for item, _ in held]
    skipped = {id(held), id(targets), *map(id, held)}
    referrers = [
        referrer
        for referrer in gc.get_referrers(*targets)
        if id(referrer) not in inside and id(referrer) not in skipped and not isinstance(referrer, types.FrameType)
    ]
    names, suspended = [], False
    for referrer in referrers[:_MOST]:
        suspended = suspended or isinstance(referrer, _SUSPENDED)
        names.append(_describe_holder(referrer, targets))
    if not names:
        names = [f"{_describe_held(item)}: {count} references that Python does not show" for item, count in held]
    return Holders(tuple(dict.fromkeys(names)), suspended)


def _describe_holder(holder: object, targets: list[Any]) -> str:
    pointed = next((item for item in targets if any(item is referent for referent in gc.get_referents(holder))), None)
    what = f" -> {_describe_held(pointed)}" if pointed is not None else ""
    return _name(holder) + what


def _name(holder: object) -> str:
    if isinstance(holder, _SUSPENDED):
        frame = (
            getattr(holder, "gi_frame", None) or getattr(holder, "cr_frame", None) or getattr(holder, "ag_frame", None)
        )
        line = f" at line {frame.f_lineno}" if frame is not None else ""
        return f"suspended {type(holder).__name__.replace('_', ' ')} {getattr(holder, '__qualname__', '')}{line}"
    if isinstance(holder, dict) and isinstance(holder.get("__name__"), str) and "__builtins__" in holder:
        return f"globals of module {holder['__name__']}"
    return f"{type(holder).__name__}{_owner(holder)}"


def _owner(container: object) -> str:
    """Where a container stands: the module's global or the object's attribute that it is."""
    for referrer in gc.get_referrers(container):
        if isinstance(referrer, dict):
            name = next((str(key) for key, value in list(referrer.items()) if value is container), None)
            if name is not None and isinstance(referrer.get("__name__"), str):
                return f" {name} in module {referrer['__name__']}"
        elif isinstance(getattr(referrer, "__dict__", None), Mapping):
            name = next((str(key) for key, value in list(vars(referrer).items()) if value is container), None)
            if name is not None:
                return f" {name} of {type(referrer).__module__}.{type(referrer).__qualname__}"
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
