"""Finds versions by their module names when no such module is in the process.

A pickle names the class of a version as ``livegraft.live.helpers/util@KEY``, a function that is handed to
a spawned child is named the same way. Whoever imports such a name, ``pickle`` mostly, gets the version: loaded
again by the supervisor of this process that knows the key, else from the data folder of another process.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

Resolver = Callable[[str], ModuleType | None]
"""A module's name -> the module of that version, executed; None if the version is not known there."""

_PREFIX: Final = __package__ + "."
_resolvers: Final[list[Resolver]] = []


def add_resolver(resolver: Resolver) -> None:
    """Ask this one too from now on: a supervisor has started."""
    _resolvers.append(resolver)


def remove_resolver(resolver: Resolver) -> None:
    _resolvers.remove(resolver)


class _Recalled:
    """Hands a module that exists already to Python's import."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        # The spec of this import would keep the module alive by its loader.
        module.__spec__ = self._spec


class Finder:
    """The last of ``sys.meta_path``: asked only for names that nothing else has found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raises UnloadedVersionError for a version that cannot be loaded any more."""
        if not fullname.startswith(_PREFIX) or "@" not in fullname:
            return None
        for resolver in tuple(_resolvers):
            module = resolver(fullname)
            if module is not None:
                break
        else:
            # Reading another process's data folder needs the Git program, which stands above this package.
            module = importlib.import_module("livegraft.archive").recall(fullname)
        spec = ModuleSpec(fullname, _Recalled(module))  # type: ignore[arg-type]  # what importlib needs of a loader
        # It is in ``sys.modules`` by now, and Python then goes on with the spec that the module has.
        module.__spec__ = spec
        return spec


class LivePackage(ModuleType):
    """``livegraft.live``: never an owner of versions. Python's import sets each submodule in its parent."""

    def __setattr__(self, name: str, value: object) -> None:
        if "@" not in name:
            super().__setattr__(name, value)


def install(package: str) -> None:
    sys.modules[package].__class__ = LivePackage
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
