"""The package below which versions are registered, and the namespaces through which hosts call them.

A version's module is named ``livegraft.live.<dotted name with slashes>@<key>``: one component, so
that two keys of one path stand side by side in ``sys.modules`` and plain names are never taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, starmap
from typing import Any, Final, Self

from livegraft.live import finder

PREFIX: Final = __name__ + "."

finder.install(__name__)


def module_name(name: str, key: str) -> str:
    """``helpers.util`` at ``9f2c...`` -> ``livegraft.live.helpers/util@9f2c...``."""
    return f"{PREFIX}{name.replace('.', '/')}@{key}"


def plain_name(module_name: str) -> str:
    """The reverse, without the key; any other name stays as it is."""
    if not module_name.startswith(PREFIX):
        return module_name
    return module_name[len(PREFIX) :].partition("@")[0].replace("/", ".")


@dataclass(frozen=True, slots=True)
class VersionName:
    """A module's name taken apart: the natural dotted name, the key, and the supervisor's suffix ("" for the first)."""

    name: str
    key: str
    space: str

    @classmethod
    def parse(cls, module_name: str) -> Self:
        natural, _, rest = module_name.removeprefix(PREFIX).partition("@")
        # A key that is loaded again while a retired version of it is still there gets a tilde.
        key, plus, number = rest.rstrip("~").partition("+")
        return cls(natural.replace("/", "."), key, plus + number)


class Live:
    """The live code as attributes: ``live.pricing.quote(order)`` is the ``quote`` of the live release.

    Reading ``live.pricing`` gives the module of that moment, so two calls through one
    ``pricing = live.pricing`` are of one version, and two through one ``shop = live.shop`` (a package) of one
    release. ``dir(live)`` lists what there is.

    Raises NotLiveError (an AttributeError) for what the release does not have, LoadError for what did not load.
    """

    # A name is found once and is an ordinary attribute of the instance from then on, which the interpreter
    # reads without calling anything. For that its values must stand in the instance itself: a dictionary that is
    # exchanged, a slot more or another class's names among the keys would each make a call dearer (ADR 5).
    __slots__ = ("__dict__", "__weakref__")
    _livegraft_find: Callable[[str], Any]
    _livegraft_names: Callable[[], Iterable[str]]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._livegraft_find(name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"live code is changed by commits, not by setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"live code is changed by commits, not by deleting {name!r}")

    def __dir__(self) -> Iterable[str]:
        return self._livegraft_names()

    def __repr__(self) -> str:
        return "<live code: dir() lists its modules>"


class Namespace(Live):
    """A package of one release: its submodules, and what its ``__init__`` defines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<package {type(self).__name__} of a release>"


def live_kind(find: Callable[[str], Any], names: Callable[[], Iterable[str]]) -> type[Live]:
    """The class of the ``live`` of one supervisor."""
    return type("Live", (Live,), {"__slots__": (), "_livegraft_find": find, "_livegraft_names": names})


def package_kind(name: str) -> type[Namespace]:
    """The class of the namespaces of one package, for all releases."""
    return type(name, (Namespace,), {"__slots__": ()})


def store_all(stores: Iterable[tuple[object, str, object]], deletions: Iterable[tuple[object, str]]) -> None:
    """Set and delete attributes so that no other thread sees some of it done and some not.

    One call into C does all of them, and no Python code runs meanwhile, so the interpreter is not handed over. What
    the attributes held before must be held by the caller: freeing it could run code.
    """
    stored, deleted = starmap(object.__setattr__, tuple(stores)), starmap(object.__delattr__, tuple(deletions))
    deque(chain(stored, deleted), maxlen=0)
