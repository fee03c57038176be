"""The undoers of livegraft: one small function for each kind of registration, by name.

``FORGETTERS`` drop what only costs memory, for each version that leaves. ``UNDOERS`` take back what makes the process
hold a version, when something does; ``SEARCHERS``, which read all modules of the host for that, when something still
does.
"""

from __future__ import annotations

from typing import Final

from livegraft.undo import Undoer
from livegraft.undoers import caches, interpreter, registries, threads

FORGETTERS: Final[tuple[Undoer, ...]] = (caches.lines, caches.loggers)

UNDOERS: Final[tuple[Undoer, ...]] = (
    interpreter.exit_functions,
    interpreter.signal_handlers,
    interpreter.hooks,
    interpreter.builtins_names,
    interpreter.line_completer,
    interpreter.gc_callbacks,
    interpreter.import_hooks,
    interpreter.monitoring,
    interpreter.irremovable,
    registries.log_handlers,
    registries.log_factories,
    registries.pickling,
    registries.sqlite_adapters,
    registries.codec_searches,
    registries.codec_errors,
    registries.finalizers,
    registries.process_finalizers,
    registries.warning_filters,
    caches.type_expressions,
    caches.overloads,
    caches.inspection,
    caches.pointer_types,
    threads.timers,
    threads.loop_timers,
    threads.loop_files,
    threads.loop_signals,
)
"""Run in this order."""

SEARCHERS: Final[tuple[Undoer, ...]] = (registries.dispatch, caches.function_results)
"""They take tens of milliseconds in a large host; all others together take one or two."""
