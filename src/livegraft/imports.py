"""What version code sees when it imports: names of the repository mean modules of its own plan.

Version code runs with one private ``__builtins__`` dictionary. Its ``__import__`` looks at who
imports: for a version, a name that the repository has resolves within the plan of that version, now
and years later, in functions, threads, suspended generators and ``exec``; every other name, and every
other importer, gets Python's own import. Nothing of the host is changed.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.resources
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any, Final, Protocol

from livegraft.graph import absolute_name, prefixes
from livegraft.live import PREFIX, plain_name
from livegraft.version import Version

_import: Final = builtins.__import__
_build_class: Final = builtins.__build_class__


class Linker(Protocol):
    """What imports need of the loader."""

    def importer(self, module_name: str) -> Version | None:
        """The version that is registered under a module's name."""

    def link(self, importer: Version, name: str) -> Version | None:
        """The version of a repository module that the importer means, executed; None if it is not ours."""


class View(ModuleType):
    """A package as one importer sees it: what its ``__init__`` defines, and the importer's submodules.

    One package object could carry only one version of each submodule, while importers of two
    commits are alive: so each importer has a view of its own.
    """

    _livegraft: tuple[Linker, Version, Version]

    def __init__(self, linker: Linker, importer: Version, package: Version) -> None:
        module = package.executed_module
        super().__init__(module.__name__, module.__doc__)
        for name in ("__path__", "__package__", "__spec__", "__file__"):
            super().__setattr__(name, vars(module).get(name))
        super().__setattr__("_livegraft", (linker, importer, package))

    @property
    def package(self) -> ModuleType:
        """The module of the executed ``__init__``, shared by all views of this key."""
        return self._livegraft[2].executed_module

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """What ``vars(package)`` tells: the globals of its ``__init__``."""
        return vars(self.package)

    def __getattr__(self, name: str) -> Any:
        linker, importer, package = self._livegraft
        try:
            return getattr(package.executed_module, name)
        except AttributeError:
            if name.startswith("__"):
                raise
        if linker.link(importer, f"{package.name}.{name}") is None:
            raise AttributeError(f"module {package.name!r} has no attribute {name!r}")
        return seen(linker, importer, f"{package.name}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.package, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.package, name)

    def __dir__(self) -> list[str]:
        return dir(self.package)


def seen(linker: Linker, importer: Version, name: str) -> ModuleType:
    """The module of the repository that an importer gets for a dotted name; ModuleNotFoundError if there is none."""
    version = _linked(linker, importer, name)
    if not version.planned.is_package or version is importer:
        return version.executed_module
    view = importer.views.get(name)
    if view is None:
        view = importer.views.setdefault(name, View(linker, importer, version))
    return view


def _linked(linker: Linker, importer: Version, name: str) -> Version:
    version = linker.link(importer, name)
    if version is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return version


class _Stand(ModuleType):
    """A module as version code sees it: with some names that mean the importer's own, all others passed through."""

    def __init__(self, module: ModuleType, own: Mapping[str, object]) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__.update(own, __spec__=module.__spec__, _livegraft=module)
        if hasattr(module, "__path__"):
            self.__dict__["__path__"] = module.__path__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_livegraft"], name)


class Imports:
    """Makes the private ``__builtins__`` of version code.

    ``offered`` are names that version code imports from ``livegraft`` and that are of one supervisor.
    """

    def __init__(self, linker: Linker, offered: Mapping[str, object]) -> None:
        self._linker = linker
        ours = importlib.import_module(PREFIX.partition(".")[0])
        self._stands: dict[int, ModuleType] = {
            id(importlib): _Stand(
                importlib,
                {
                    "import_module": self._import_module,
                    "resources": (resources := self._resources()),
                    "util": (util := _Stand(importlib.util, {"find_spec": self._find_spec})),
                },
            ),
            id(importlib.util): util,
            id(ours): _Stand(ours, offered),
            id(importlib.resources): resources,
            id(pkgutil): _Stand(pkgutil, {"get_data": self._get_data}),
        }
        self.builtins: dict[str, Any] = {
            **vars(builtins),
            "__import__": self._import_statement,
            "__build_class__": self._build_class,
        }

    def _import_statement(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if not level and name.partition(".")[0] in sys.stdlib_module_names:  # comes before the repository, whoever asks
            found = _import(name, globals, locals, fromlist or ())
            return self._stands.get(id(found), found)
        importer = self._importer(globals, sys._getframe(1))
        full = name if importer is None else _absolute(name, level, importer.name, importer.planned.is_package)
        if importer is None or not self._is_ours(importer, full):
            found = _import(name, globals, locals, fromlist or (), level)
            return self._stands.get(id(found), found)
        target = self._walk(importer, full)
        if not fromlist:
            return seen(self._linker, importer, full.partition(".")[0])
        if full == importer.name:
            self._own_submodules(importer, fromlist)
        if "*" in fromlist and isinstance(target, View) and not hasattr(target, "__all__"):
            # ``from package import *`` reads the dictionary of what it gets, and a view's has no names.
            return target.package
        return target

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        importer = self._importer(None, sys._getframe(1))
        level = len(name) - len(name.lstrip("."))
        if importer is not None and (package or not level):
            full = _absolute(name[level:], level, plain_name(package or ""), True)
            if self._is_ours(importer, full):
                return self._walk(importer, full)
        found = importlib.import_module(name, package)
        return self._stands.get(id(found), found)

    def _find_spec(self, name: str, package: str | None = None) -> ModuleSpec | None:
        """``importlib.util.find_spec``; a module of the version's own is imported for that."""
        importer = self._importer(None, sys._getframe(1))
        level = len(name) - len(name.lstrip("."))
        if importer is not None and (package or not level):
            full = _absolute(name[level:], level, plain_name(package or ""), True)
            if self._is_ours(importer, full):
                if full != importer.name and self._linker.link(importer, full) is None:
                    return None
                return self._executed(self._walk(importer, full)).__spec__
        return importlib.util.find_spec(name, package)

    def _resources(self) -> ModuleType:
        """``importlib.resources``, whose functions take the plain name of a package as the version's own."""

        def own(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def call(*arguments: Any, **keywords: Any) -> Any:
                place = next((name for name in ("anchor", "package") if name in keywords), None)
                given = keywords[place] if place else arguments[0] if arguments else None
                importer = self._importer(None, sys._getframe(1))
                if importer is not None:
                    if given is None and function is importlib.resources.files:
                        given = importer.name if importer.planned.is_package else importer.name.rpartition(".")[0]
                    if isinstance(given, str) and given and self._is_ours(importer, given):
                        given = self._executed(self._walk(importer, given))
                    elif isinstance(given, View):
                        given = given.package
                    if place:
                        keywords[place] = given
                    elif given is not None:
                        arguments = (given, *arguments[1:])
                return function(*arguments, **keywords)

            return call

        names = ("files", "open_binary", "open_text", "read_binary", "read_text", "path", "is_resource", "contents")
        with_package = {name: getattr(importlib.resources, name, None) for name in names}
        return _Stand(importlib.resources, {name: own(function) for name, function in with_package.items() if function})

    def _get_data(self, package: str, resource: str) -> bytes | None:
        """``pkgutil.get_data`` for the plain name of a package of the version's own."""
        importer = self._importer(None, sys._getframe(1))
        if importer is not None and self._is_ours(importer, package):
            package = self._executed(self._walk(importer, package)).__name__
        return pkgutil.get_data(package, resource)

    @staticmethod
    def _executed(module: ModuleType) -> ModuleType:
        return module.package if isinstance(module, View) else module

    def _walk(self, importer: Version, full: str) -> ModuleType:
        """Import a dotted name from its first part to its last, as Python does."""
        for part in prefixes(full):
            # A package on the way is executed; most importers never see it, so it gets no view before somebody does.
            _linked(self._linker, importer, part)
            if importer.planned.is_package and part.rpartition(".")[0] == importer.name:
                # Python makes a submodule an attribute of its package; others find it by their view of that.
                setattr(importer.executed_module, part.rpartition(".")[2], seen(self._linker, importer, part))
        return seen(self._linker, importer, full)

    def _own_submodules(self, package: Version, names: Sequence[str]) -> None:
        """``from . import util`` in a package's ``__init__``: it has no view of itself, so it gets the attribute."""
        module = package.executed_module
        for name in names:
            full = f"{package.name}.{name}"
            if full in package.reach and name not in vars(module):
                setattr(module, name, seen(self._linker, package, full))

    def _is_ours(self, importer: Version, full: str) -> bool:
        if full in importer.planned.imports or full in importer.reach:
            return True
        top = full.partition(".")[0]
        if top not in importer.tops:
            return False
        # Not seen in the syntax tree. What the repository's own package lacks is missing; a bare folder
        # may share its name with folders of installed packages, which then may have it.
        if self._linker.link(importer, full) is not None:
            return True
        found = self._linker.link(importer, top)
        return found is not None and bool(found.planned.blob)

    def _importer(self, globals: Mapping[str, object] | None, frame: FrameType | None) -> Version | None:
        """The version on whose behalf an import happens.

        ``exec(code, {})`` in version code has globals without a module's name: then the nearest
        caller that is a version counts. Only code with our builtins comes here, so the walk is short.
        """
        version = self._version_of(globals)
        while version is None and frame is not None:
            version = self._version_of(frame.f_globals)
            frame = frame.f_back
        return version

    def _version_of(self, globals: Mapping[str, object] | None) -> Version | None:
        name = globals.get("__name__") if globals else None
        return self._linker.importer(name) if isinstance(name, str) and name.startswith(PREFIX) else None

    def _build_class(self, function: Callable[[], object], name: str, /, *bases: Any, **keywords: Any) -> Any:
        created = _build_class(function, name, *bases, **keywords)
        version = self._version_of(getattr(function, "__globals__", None))
        if version is not None and isinstance(created, type):
            version.classes.add(created)
        return created


def _absolute(name: str, level: int, importer: str, is_package: bool) -> str:
    full = absolute_name(name, level, importer, is_package)
    if not full:
        raise ImportError("attempted relative import beyond the root of the repository")
    return full
