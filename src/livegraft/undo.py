"""What a version registered in the process, and how it is taken back.

An undoer is a function that gets a ``Leaving``, takes back one kind of registration that belongs to the leaving
versions, and tells what it did. livegraft has a table of them; the entry point group ``livegraft.undoers`` adds
those of libraries and of the host:

    [project.entry-points."livegraft.undoers"]
    signals = "shop.undoers:disconnect_signals"

    def disconnect_signals(leaving):
        for signal, receiver in all_receivers():
            if leaving.owns(receiver):
                signal.disconnect(receiver)
                leaving.tell(receiver, f"disconnected {receiver.__name__} from {signal}")
"""

from __future__ import annotations

import functools
import logging
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from livegraft.version import Version

logger = logging.getLogger(__name__)

GROUP: Final = "livegraft.undoers"


class Leaving:
    """Versions that leave, as undoers see them.

    ``functions`` are their functions, ``held`` the objects of theirs that something outside refers to.
    """

    def __init__(
        self, versions: Iterable[Version], *, functions: Sequence[types.FunctionType] = (), held: Sequence[Any] = ()
    ) -> None:
        self.functions = functions
        self.held = held
        self._versions = {version.module_name: version for version in versions}
        self._told: dict[Version, list[str]] = {}
        self._found: dict[Version, list[str]] = {}

    @property
    def module_names(self) -> frozenset[str]:
        """The names of their modules; ``__module__`` of their classes."""
        return frozenset(self._versions)

    @property
    def files(self) -> frozenset[str]:
        """Where their sources stand."""
        return frozenset(version.file for version in self._versions.values())

    @property
    def told(self) -> dict[Version, list[str]]:
        """What the undoers told, by version."""
        return self._told

    @property
    def found(self) -> dict[Version, list[str]]:
        """What they found and cannot take back, by version."""
        return self._found

    @property
    def sources(self) -> dict[str, str]:
        """Module name -> source text."""
        sources = {name: version.planned.source for name, version in self._versions.items()}
        return {name: source.text for name, source in sources.items() if source is not None}

    def owns(self, item: object) -> bool:
        """Whether a function, class, instance, bound method or partial belongs to one of the versions.

        A partial does by its arguments, too.

        It looks at types and code only, and runs none of the host's.
        """
        return self._owner(item) is not None

    def first_owned(self, items: Iterable[Any]) -> Any:
        """The first of these that belongs to one of the versions, or None: of a callback and what it is called with."""
        return next((item for item in items if self.owns(item)), None)

    def tell(self, item: object, text: str) -> None:
        """Note what was taken back: ``item`` belongs to a version, or is the name of its module."""
        version = self._versions.get(item) if isinstance(item, str) else self._owner(item)
        if version is not None:
            self._told.setdefault(version, []).append(text)

    def find(self, module_name: str, text: str) -> None:
        """Note what a version left behind that cannot be taken back; shown if something holds the version."""
        self._found.setdefault(self._versions[module_name], []).append(text)

    def _owner(self, item: object) -> Version | None:
        for _ in range(10):
            kind = type(item)
            if kind is types.MethodType:
                found = self._owner(item.__self__)  # type: ignore[attr-defined]
                if found is not None:
                    return found
                item = item.__func__  # type: ignore[attr-defined]
            elif kind is functools.partial:
                given = (*item.args, *item.keywords.values())  # type: ignore[attr-defined]
                found = next((owner for each in given if (owner := self._owner(each)) is not None), None)
                if found is not None:
                    return found
                item = item.func  # type: ignore[attr-defined]
            elif kind is weakref.ref or kind is weakref.WeakMethod:
                item = item()  # type: ignore[operator]
            elif kind is types.FunctionType:
                return self._of(item.__globals__.get("__name__"))  # type: ignore[attr-defined]
            elif issubclass(kind, type):
                return self._of(item.__module__)
            else:
                return self._of(kind.__module__)
        return None

    def _of(self, name: object) -> Version | None:
        return self._versions.get(name) if type(name) is str else None


Undoer = Callable[[Leaving], None]


def undo(leaving: Leaving, undoers: Iterable[Undoer]) -> None:
    """Run undoers one after the other; one that raises is logged and stops no other."""
    for undoer in undoers:
        try:
            undoer(leaving)
        except Exception as error:  # noqa: BLE001 - the undoer of a library must not stop the unloading
            name = getattr(undoer, "__qualname__", repr(undoer))
            # As text: a log record that is kept would keep the error, and its frames what the undoer looked at.
            logger.warning("undoer %s failed: %s", name, f"{type(error).__name__}: {error}")


def installed_undoers() -> list[Undoer]:
    """Those of the entry point group; one that cannot be imported is logged and left out."""
    found: list[Undoer] = []
    for point in entry_points(group=GROUP):
        try:
            found.append(point.load())
        except Exception as error:  # noqa: BLE001 - whatever its import raises
            logger.warning("undoer %s cannot be loaded: %s: %s", point.name, type(error).__name__, error)
    return found


def described(item: Any) -> str:
    """A short name for a callable or class in a text: ``flush``, ``Handler``."""
    for _ in range(10):
        if type(item) is functools.partial:
            item = item.func
        else:
            break
    name = getattr(item, "__qualname__", None)
    return name if isinstance(name, str) else type(item).__qualname__
