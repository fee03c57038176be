"""The package below which versions are registered, and the namespaces through which hosts call them.

A version's module is named ``livegraft.live.<dotted name with slashes>@<key>``: one component, so
that two keys of one path stand side by side in ``sys.modules`` and plain names are never taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

PREFIX: Final = __name__ + "."


def module_name(name: str, key: str) -> str:
    """``helpers.util`` at ``9f2c...`` -> ``livegraft.live.helpers/util@9f2c...``."""
    return f"{PREFIX}{name.replace('.', '/')}@{key}"


def plain_name(module_name: str) -> str:
    """The reverse, without the key; any other name stays as it is."""
    if not module_name.startswith(PREFIX):
        return module_name
    return module_name[len(PREFIX) :].partition("@")[0].replace("/", ".")


class Live:
    """The live code as attributes: ``live.pricing.quote(order)`` is the ``quote`` of the live release.

    Reading ``live.pricing`` gives the module of that moment, so two calls through one
    ``pricing = live.pricing`` are of one version. A name is found once for each release and is an
    ordinary attribute from then on: a call costs two attribute loads more than a direct one.

    Raises AttributeError for what the release does not have.
    """

    # The instance dictionary is exchanged with the release: that store is the switch for host calls.
    __slots__ = ("__dict__", "_find")

    def __init__(self, find: Callable[[str], Any]) -> None:
        object.__setattr__(self, "_find", find)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._find(name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"live code is changed by commits, not by setting {name!r}")


class Namespace:
    """A package of the live release: its submodules, and what its ``__init__`` defines."""

    __slots__ = ("__dict__", "_find")

    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._find(name)
        self.__dict__[name] = value
        return value
