"""What a version set in the interpreter itself."""

from __future__ import annotations

import atexit
import builtins
import gc
import re
import signal
import sys
from typing import Any, Final

from livegraft import hooks as process_hooks
from livegraft.undo import Leaving, described


class _Probe:
    """Equal to each callback that belongs to a leaving version.

    ``atexit`` keeps its callbacks where Python does not see them; but ``atexit.unregister`` compares
    each with what it is given.
    """

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self.found: list[Any] = []

    def __eq__(self, other: object) -> bool:
        is_owned = self._leaving.owns(other)
        if is_owned:
            self.found.append(other)
        return is_owned

    __hash__ = None  # type: ignore[assignment]


def exit_functions(leaving: Leaving) -> None:
    """``atexit.register``."""
    probe = _Probe(leaving)
    atexit.unregister(probe)  # type: ignore[arg-type]
    for function in probe.found:
        leaving.tell(function, f"atexit: {described(function)} unregistered")


def signal_handlers(leaving: Leaving) -> None:
    """``signal.signal``: the host's handler comes back, at the main thread's next step."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and leaving.owns(handler):
            process_hooks.restore_signal(number, handler)
            leaving.tell(handler, f"signal {signal.Signals(number).name}: {described(handler)} taken off")


def hooks(leaving: Leaving) -> None:
    """``sys.excepthook``, ``threading.excepthook``, ``warnings.showwarning`` and the like: the host's come back."""
    for name in process_hooks.NAMES:
        value = process_hooks.value(name)
        if value is not None and leaving.owns(value):
            process_hooks.restore(name)
            leaving.tell(value, f"{name}: {described(value)} taken off")


def builtins_names(leaving: Leaving) -> None:
    """Names of ``builtins`` that version code set."""
    for name, value in list(vars(builtins).items()):
        if leaving.owns(value):
            before = process_hooks.BUILTINS.get(name)
            if before is None:
                delattr(builtins, name)
            else:
                setattr(builtins, name, before)
            leaving.tell(value, f"builtins.{name}: {described(value)} taken off")


def line_completer(leaving: Leaving) -> None:
    """``readline.set_completer``: a person's shell in the host can have one only."""
    readline: Any = sys.modules.get("readline")
    completer = readline.get_completer() if readline is not None else None
    if completer is not None and leaving.owns(completer):
        readline.set_completer(None)
        leaving.tell(completer, f"readline.set_completer: {described(completer)} taken off")


def gc_callbacks(leaving: Leaving) -> None:
    """``gc.callbacks``."""
    for callback in [each for each in list(gc.callbacks) if leaving.owns(each)]:
        gc.callbacks.remove(callback)
        leaving.tell(callback, f"gc.callbacks: {described(callback)} removed")


def import_hooks(leaving: Leaving) -> None:
    """``sys.meta_path`` and ``sys.path_hooks``."""
    for name in ("meta_path", "path_hooks"):
        entries: list[Any] = getattr(sys, name)
        for entry in [each for each in list(entries) if leaving.owns(each)]:
            entries.remove(entry)
            leaving.tell(entry, f"sys.{name}: {described(entry)} removed")


def monitoring(leaving: Leaving) -> None:
    """``sys.monitoring`` (3.12 and later): the callbacks go, and a tool that has no others is freed."""
    tools: Any = getattr(sys, "monitoring", None)
    if tools is None:
        return
    events = [
        value for name, value in vars(tools.events).items() if name.isupper() and isinstance(value, int) and value
    ]
    for tool in range(6):
        name = tools.get_tool(tool)
        if name is None:
            continue
        removed, others = [], 0
        for event in events:
            try:
                callback = tools.register_callback(tool, event, None)  # the only way to see it
            except ValueError:
                continue
            if callback is not None and leaving.owns(callback):
                removed.append(callback)
            elif callback is not None:
                tools.register_callback(tool, event, callback)
                others += 1
        if removed and not others:
            tools.set_events(tool, 0)
            tools.free_tool_id(tool)
        for callback in removed:
            leaving.tell(callback, f"sys.monitoring: {described(callback)} of tool {name!r} removed")


_STAYS: Final[dict[str, str]] = {
    "addaudithook": "what it registers stays until the process ends",
    "register_at_fork": "what it registers stays until the process ends",
    "set_asyncgen_hooks": "what it sets stays in its thread until that sets others or ends",
    "atexit.register": "arguments that it is given stay until the process ends",
    "codecs.register_error": "a handler whose name is made by code stays until another takes its place",
    **dict.fromkeys(
        ("settrace", "setprofile", "settrace_all_threads", "setprofile_all_threads"),
        "what it sets stays in its threads until they set another or end",
    ),
    **dict.fromkeys(
        ("faulthandler.enable", "faulthandler.register", "faulthandler.dump_traceback_later"),
        "the file that it is given stays until it is given another",
    ),
}
# Mostly by the name alone, because it may be given another. Not what is taken back: ``threading.settrace``, functions
# at ``atexit`` without arguments, error handlers with a name in quotes.
_NAMED: Final = re.compile(
    r"""\b(?:(addaudithook|register_at_fork|set_asyncgen_hooks)\b"""
    r"""|(?<!threading\.)(set(?:trace|profile)(?:_all_threads)?)\b"""
    r"""|(faulthandler\.(?:enable|register|dump_traceback_later))\b"""
    r"""|(atexit\.register)\s*\([^)]*,"""
    r"""|(codecs\.register_error)\s*\((?!\s*["'][\w.:-]+["']\s*,))"""
)


def irremovable(leaving: Leaving) -> None:
    """What cannot be taken back, or not from another thread: so the line that does it is named."""
    for name, text in leaving.sources.items():
        for number, line in enumerate(text.splitlines(), start=1):
            for call in (found[found.lastindex or 0] for found in _NAMED.finditer(line)):
                leaving.find(name, f"line {number} calls {call}: {_STAYS[call]}")
