"""Caches of the standard library that keep what belongs to a version."""

from __future__ import annotations

import functools
import gc
import linecache
import logging
import sys
import types
from collections.abc import Iterator
from typing import Any, Final

from livegraft.undo import Leaving, described


def lines(leaving: Leaving) -> None:
    """Source lines that tracebacks read; and those that attrs generates, which are named after the class."""
    for file in leaving.files:
        linecache.cache.pop(file, None)
    names = leaving.module_names
    for file in [file for file in list(linecache.cache) if file.startswith("<attrs generated")]:
        if any(f" {name}." in file for name in names):
            linecache.cache.pop(file, None)


def loggers(leaving: Leaving) -> None:
    """``logging.getLogger(__name__)``: the manager keeps each logger, and the parent's placeholder too."""
    manager = logging.Logger.manager
    names = leaving.module_names
    # A version's name is one component below the package; further dots are of its own making.
    gone = [known for known in list(manager.loggerDict) if known in names or _root_of(known, names)]
    dropped = {manager.loggerDict.pop(known, None) for known in gone}
    if dropped:
        for other in list(manager.loggerDict.values()):
            if isinstance(other, logging.PlaceHolder):
                for logger in [known for known in list(other.loggerMap) if known in dropped]:
                    other.loggerMap.pop(logger, None)


def _root_of(known: str, names: frozenset[str]) -> bool:
    return "@" in known and any(known.startswith(name + ".") for name in names)


def type_expressions(leaving: Leaving) -> None:
    """``Optional[C]``, ``Annotated[...]``: ``typing`` caches them, classes of the version within."""
    typing: Any = sys.modules.get("typing")
    for clear in getattr(typing, "_cleanups", ()):
        clear()


def overloads(leaving: Leaving) -> None:
    """``@typing.overload``: ``typing.get_overloads`` finds the functions in a table by the module's name."""
    registry: Any = getattr(sys.modules.get("typing"), "_overload_registry", {})
    for name in leaving.module_names:
        registry.pop(name, None)


def inspection(leaving: Leaving) -> None:
    """``inspect.getattr_static`` kept classes on CPython 3.12.0 to 3.12.3."""
    cached: Any = getattr(sys.modules.get("inspect"), "_shadowed_dict_from_mro_tuple", None)
    if cached is not None:
        cached.cache_clear()


def pointer_types(leaving: Leaving) -> None:
    """``ctypes.POINTER(Struct)``."""
    cache = getattr(sys.modules.get("ctypes"), "_pointer_type_cache", {})
    for key in [key for key in list(cache) if leaving.owns(key)]:
        del cache[key]


def function_results(leaving: Leaving) -> None:
    """Caches of ``functools`` in the host's modules with a class or an instance of the version as key or value.

    The cache is emptied, which only costs the host time. One that merely leads to the version through an object
    of the host (an engine with a listener) is left alone.
    """
    for function in _cached_functions():
        if function.cache_info().currsize > _GIANT:
            continue
        # One call into C tells of the whole table; its links and keys are one step further.
        near = gc.get_referents(function)
        for _ in range(2):
            near += gc.get_referents(*(each for each in near if type(each).__name__ in _PARTS))
        hit = next((each for each in near if leaving.owns(each)), None)
        if hit is not None:
            function.cache_clear()
            leaving.tell(hit, f"emptied the cache of {described(function)}")


_PARTS: Final = frozenset({"_lru_list_elem", "_HashedSeq", "tuple", "dict"})
_GIANT: Final = 20_000
"""Results of a cache that are not looked through: it would take long."""


def _cached_functions() -> Iterator[Any]:
    kind = type(functools.lru_cache(maxsize=1)(lambda: None))
    for module in list(sys.modules.values()):
        if issubclass(type(module), types.ModuleType) and not module.__name__.startswith("livegraft.live."):
            for value in list(vars(module).values()):
                if type(value) is kind:
                    yield value
