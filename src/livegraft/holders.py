"""Names what holds objects of a version: the generator, list, module or frame that refers to them."""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from livegraft.frames import frames_of_other_threads, stack
from livegraft.live import PREFIX

_MOST: Final = 10
"""How many holders are named: enough to find the code at fault."""

_STEPS: Final = 12
"""How many objects are asked who refers to them: enough for a frame of a traceback of an exception in a list."""

_CONTAINERS: Final = (list, dict, set, tuple, deque)
_ANONYMOUS: Final = frozenset({"tuple", "list", "dict", "cell"})

_SUSPENDED: Final = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)


@dataclass(frozen=True, slots=True)
class Holders:
    """``names`` for people; ``suspended`` when one is a generator or coroutine that will still go on:
    the version is in use then, not leaked."""

    names: tuple[str, ...]
    suspended: bool


def find_holders(held: Sequence[tuple[Any, int]], ours: Collection[int]) -> Holders:
    """Look for who refers to objects that are held from outside; ``ours`` are ids of objects that do not count.

    One pass over the heap for all of them. Holders in C (``atexit``, an executing frame's locals) do
    not show: then the held object itself is named with the number of its references.
    """
    targets = [item for item, _ in held[:_MOST]]
    skipped = {id(held), *map(id, held), *map(id, _running_frames()), *ours}
    referrers = _referrers(targets, skipped)
    places = [(_name(each, skipped), each) for each in referrers[:_MOST]]
    # A tuple or list that nothing names is mostly one of the interpreter's own, on its way.
    told = [(name, each) for name, each in places if name not in _ANONYMOUS] or places
    names = [f"{name} -> {_describe_held(_pointed(each, targets))}" for name, each in told]
    if not names:
        names = [f"{_describe_held(item)}: {count} references that Python does not show" for item, count in held]
    suspended = any(isinstance(each, _SUSPENDED) for each in referrers)
    return Holders(tuple(dict.fromkeys(names[:_MOST])), suspended)


def _running_frames() -> Iterator[types.FrameType]:
    """Frames that execute now; those left over are kept by a traceback, and tell who keeps it."""
    for top in frames_of_other_threads().values():
        for frame, _ in stack(top):
            yield frame


def _referrers(targets: list[Any], skipped: Collection[int]) -> list[Any]:
    """Who refers to these, but for what is skipped and for the frames that are looking.

    Such a frame in a local of its own would be garbage that holds the very objects that are looked at.
    """
    found = gc.get_referrers(*targets)
    try:
        return [each for each in found if id(each) not in skipped and each is not targets and not _is_ours(each)]
    finally:
        del found


def _is_ours(holder: object) -> bool:
    """Whether it is the frame of one of the functions that are looking."""
    name = holder.f_globals.get("__name__") if isinstance(holder, types.FrameType) else None
    return isinstance(name, str) and name.startswith("livegraft.") and not name.startswith(PREFIX)


def _pointed(holder: object, targets: Sequence[Any]) -> object:
    referents = set(map(id, gc.get_referents(holder)))
    return next((item for item in targets if id(item) in referents), None)


def _name(holder: object, skipped: Collection[int]) -> str:
    if isinstance(holder, _SUSPENDED):
        frame = next(filter(None, (getattr(holder, f"{kind}_frame", None) for kind in ("gi", "cr", "ag"))), None)
        line = f" at line {frame.f_lineno}" if frame is not None else ""
        return f"suspended {type(holder).__name__.replace('_', ' ')} {getattr(holder, '__qualname__', '')}{line}"
    if isinstance(holder, dict) and isinstance(holder.get("__name__"), str) and "__builtins__" in holder:
        return f"globals of module {holder['__name__']}"
    what = f"frame of {holder.f_code.co_qualname}" if isinstance(holder, types.FrameType) else type(holder).__qualname__
    return f"{what}{_owner(holder, skipped)}"


def _owner(item: object, skipped: Collection[int]) -> str:
    """Where an object stands: the module's global that it is, or is in, and what it is in.

    Nearest first, through containers and instances, with a bound: each step reads the whole heap.
    """
    pending: deque[tuple[object, str]] = deque([(item, "")])
    seen = {id(item), id(pending), *skipped}
    for _ in range(_STEPS):
        if not pending:
            break
        inner, way = pending.popleft()
        for container in _referrers([inner], seen):
            seen.add(id(container))
            if isinstance(container, dict) and isinstance(container.get("__name__"), str):
                name = next((str(key) for key, value in list(container.items()) if value is inner), None)
                if name is not None:
                    return f"{way} {name} in module {container['__name__']}"
            elif isinstance(container, types.TracebackType | BaseException):
                # These lead to whoever keeps an error; much else is only on its way through the interpreter.
                pending.appendleft((container, f"{way} in {type(container).__qualname__}"))
            elif isinstance(container, _CONTAINERS) or hasattr(container, "__dict__"):
                pending.append((container, f"{way} in {type(container).__qualname__}"))
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
