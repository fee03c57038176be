"""Registries of the standard library."""

from __future__ import annotations

import codecs
import copyreg
import functools
import logging
import re
import sys
import types
import warnings
import weakref
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from livegraft.holders import direct_holders
from livegraft.undo import Leaving, described


def log_handlers(leaving: Leaving) -> None:
    """Handlers and filters on loggers that stay, and filters and formatters of handlers that stay."""
    manager = logging.Logger.manager
    named = [logger for logger in list(manager.loggerDict.values()) if isinstance(logger, logging.Logger)]
    for logger in (manager.root, *named):
        for handler in list(logger.handlers):
            if leaving.owns(handler):
                logger.removeHandler(handler)
                leaving.tell(handler, f"logging: handler {described(handler)} removed from {logger.name}")
            else:
                _filters(leaving, handler, f"a handler of {logger.name}")
                if handler.formatter is not None and leaving.owns(handler.formatter):
                    leaving.tell(handler.formatter, f"logging: formatter {described(handler.formatter)} removed")
                    handler.setFormatter(None)
        _filters(leaving, logger, logger.name)


def _filters(leaving: Leaving, filterer: logging.Filterer, name: str) -> None:
    for each in list(filterer.filters):
        if leaving.owns(each):
            filterer.removeFilter(each)
            leaving.tell(each, f"logging: filter {described(each)} removed from {name}")


def log_factories(leaving: Leaving) -> None:
    """``logging.addLevelName`` keeps text only; the factories are hooks; what is left is ``logging.lastResort``."""
    last: Any = logging.lastResort
    if last is not None and leaving.owns(last):
        logging.lastResort = logging._StderrHandler(logging.WARNING)  # type: ignore[attr-defined]
        leaving.tell(last, f"logging.lastResort: {described(last)} taken off")


def dispatch(leaving: Leaving) -> None:
    """``functools.singledispatch`` of the host: it has no way to unregister, so the entry is taken from its table."""
    for function in _generic_functions():
        cells = dict(zip(function.register.__code__.co_freevars, function.register.__closure__ or (), strict=True))
        registry = cells["registry"].cell_contents if "registry" in cells else {}
        for kind, implementation in list(registry.items()):
            if leaving.owns(kind) or leaving.owns(implementation):
                del registry[kind]
                function._clear_cache()
                owner = kind if leaving.owns(kind) else implementation
                leaving.tell(owner, f"singledispatch: {described(kind)} taken from {described(function)}")


def _generic_functions() -> Iterator[Any]:
    for module in list(sys.modules.values()):
        if not issubclass(type(module), types.ModuleType) or module.__name__.startswith("livegraft.live."):
            continue
        for value in list(vars(module).values()):
            if type(value) is types.FunctionType and "registry" in value.__dict__ and hasattr(value, "_clear_cache"):
                yield value
            elif issubclass(type(value), type) and value.__module__ == module.__name__:
                for member in list(vars(value).values()):
                    if type(member) is functools.singledispatchmethod:
                        yield member.dispatcher


def pickling(leaving: Leaving) -> None:
    """``copyreg.pickle``, the objects that ``copyreg.add_extension`` led to, and reducers of ``multiprocessing``."""
    _entries(leaving, copyreg.dispatch_table, "copyreg")
    _entries(leaving, copyreg._extension_cache, "copyreg, extensions")  # type: ignore[attr-defined]
    pickler = getattr(sys.modules.get("multiprocessing.reduction"), "ForkingPickler", None)
    _entries(leaving, getattr(pickler, "_extra_reducers", {}), "multiprocessing")


def sqlite_adapters(leaving: Leaving) -> None:
    """``sqlite3.register_adapter`` and ``register_converter``."""
    sqlite: Any = sys.modules.get("sqlite3")
    for table in (getattr(sqlite, "adapters", {}), getattr(sqlite, "converters", {})):
        _entries(leaving, table, "sqlite3")


def _entries(leaving: Leaving, table: dict[Any, Any], name: str) -> None:
    for key, value in list(table.items()):
        parts = (*key, value) if isinstance(key, tuple) else (key, value)
        owned = leaving.first_owned(parts)
        if owned is not None:
            table.pop(key, None)
            leaving.tell(owned, f"{name}: {described(owned)} removed")


def codec_searches(leaving: Leaving) -> None:
    """``codecs.register``: what is registered does not show, but that it has a reference less afterwards does.

    It is one of the objects that are held, or refers to one: a bound method, an instance, a function within another.
    """
    around = direct_holders(leaving.held, {id(leaving.held)})
    for item in [each for each in (*leaving.held, *around) if callable(each) and leaving.owns(each)]:
        before = sys.getrefcount(item)
        codecs.unregister(item)
        if sys.getrefcount(item) < before:
            leaving.tell(item, f"codecs: search function {described(item)} unregistered")


def codec_errors(leaving: Leaving) -> None:
    """``codecs.register_error``: names cannot be removed, so a handler that refuses takes the place.

    They cannot be listed either: tried is all that stands in quotes in the sources. Where a name is made by code, the
    line is named (``interpreter.irremovable``).
    """
    for name in {name for text in leaving.sources.values() for name in _QUOTED.findall(text)}:
        try:
            handler = codecs.lookup_error(name)
        except LookupError:
            continue
        if leaving.owns(handler):
            codecs.register_error(name, _gone)
            leaving.tell(handler, f"codecs: error handler {name!r} replaced by one that refuses")


_QUOTED: Final = re.compile(r"""["']([\w.:-]{1,60})["']""")


def _gone(error: UnicodeError) -> NoReturn:
    raise error


def finalizers(leaving: Leaving) -> None:
    """``weakref.finalize`` on objects of the host, with a callback of the version or arguments that are of it."""
    registry: dict[Any, Any] = weakref.finalize._registry  # type: ignore[attr-defined]
    for finalizer, info in list(registry.items()):
        owned = leaving.first_owned((info.func, *info.args, *(info.kwargs or {}).values()))
        if owned is not None:
            finalizer.detach()
            leaving.tell(owned, f"weakref.finalize: {described(owned)} detached")


def process_finalizers(leaving: Leaving) -> None:
    """``multiprocessing.util.Finalize``."""
    registry = getattr(sys.modules.get("multiprocessing.util"), "_finalizer_registry", {})
    for finalizer in list(registry.values()):
        callback = getattr(finalizer, "_callback", None)
        if leaving.owns(callback):
            finalizer.cancel()
            leaving.tell(callback, f"multiprocessing.util.Finalize: {described(callback)} cancelled")


def warning_filters(leaving: Leaving) -> None:
    """``warnings.simplefilter(..., category=...)`` with a category of the version."""
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    for entry in [each for each in list(filters) if leaving.owns(each[2])]:
        filters.remove(entry)
        warnings._filters_mutated()  # type: ignore[attr-defined]
        leaving.tell(entry[2], f"warnings: filter for {described(entry[2])} removed")
