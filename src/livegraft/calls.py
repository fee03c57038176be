"""How the host calls live code: namespaces that show the live release, and functions that were handed out."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any, Final

from livegraft.drainer import Drainer
from livegraft.errors import LoadError, NotLiveError, UnloadedVersionError
from livegraft.handout import Look, Store, hand_out, stores
from livegraft.live import Live, Namespace, live_kind, package_kind, store_all
from livegraft.release import Release, ReleaseBuilder
from livegraft.version import Version

_LASTING: Final = (FunctionType, type, ModuleType)
"""What a package's ``__init__`` defines once; other globals may be bound anew and are read each time."""


class Calls:
    """Finds what the host reads through ``live``, and exchanges what it found when the release changes.

    ``release`` tells what is live. Modules that are not loaded yet are loaded by ``builder``, in the drainer's turn.
    """

    def __init__(self, *, release: Callable[[], Release | None], builder: ReleaseBuilder, drainer: Drainer) -> None:
        self._release = release
        self._builder = builder
        self._drainer = drainer
        self._kinds: dict[str, type[Namespace]] = {}
        # Those that still exist follow the releases.
        self._handed_out: weakref.WeakKeyDictionary[FunctionType, _Handed] = weakref.WeakKeyDictionary()
        # Guards what is found against a switch that happens meanwhile. It may be asked for again by a finalizer.
        self._lock = threading.RLock()
        self.live: Live = live_kind(self._find, self._names)()

    # -- the switch ------------------------------------------------------------------------

    def switch(self, release: Release | None, *stored: Store) -> None:
        """Make all that the host reads be of this release, in one step with what else is ``stored``."""
        # Annotations of live functions are evaluated here, so outside of the lock.
        followed = {function: self._followed(function, release) for function in list(self._handed_out)}
        with self._lock:
            before = self._release()
            known = before.namespace if before is not None else {}
            namespace = release.namespace if release is not None else {}
            if release is not None:
                namespace.update(self._found_again(release, known))
            for function in [each for each in list(self._handed_out) if each not in followed]:  # just now
                followed[function] = self._followed(function, release)
            held = [(vars(function).copy(), function.__annotations__, function.__code__) for function in followed]
            shown = [(self.live, name, value) for name, value in namespace.items() if known.get(name) is not value]
            gone = [(self.live, name) for name in known if name not in namespace]
            store_all([*stored, *shown, *chain(*followed.values())], gone)
        del held
        if before is not None:
            # Its namespaces find things through the release that holds them: a cycle that would keep its modules.
            before.namespace.clear()

    def _found_again(self, release: Release, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """What the host read before, as it is in another release; what would have to be loaded waits for a reader."""
        for name in known:
            value = self._present(release, name)
            if value is not None:
                yield name, value

    # -- reading ---------------------------------------------------------------------------

    def _find(self, name: str) -> Any:
        while True:
            release = self._release()
            if release is None:
                raise NotLiveError(
                    f"expected a release to be live before {name!r} is read, got none: the supervisor was not started, "
                    "has stopped, or could take no commit yet (see sync_status)"
                )
            try:
                value = self.resolve(release, name)
            except UnloadedVersionError:
                if self._release() is release:
                    raise
                continue  # it went while this thread slept: another release is live since
            with self._lock:
                if self._release() is release:  # else a switch came between: what was found is of the one before
                    release.namespace[name] = value
                    object.__setattr__(self.live, name, value)
                    return value

    def resolve(self, release: Release, name: str) -> Any:
        """A script, a module or a package of a release, by dotted name. Raises NotLiveError and LoadError."""
        present = self._present(release, name)
        if present is not None:
            return present
        script = release.scripts.get(name.replace(".", "/"))
        if script is not None:
            raise NotLiveError(
                f"expected {name!r} to be in this process, it is in an environment of its own: {script.missing}"
            )
        planned = release.plan.modules.get(name)
        failed = release.failures.get(name.replace(".", "/"))
        if failed is not None:
            failure = failed.failure
            reason = f"no version of {name!r} is live: {failure.message}; a commit that mends it makes it live"
            raise LoadError(failure.path or f"{name}.py", failure.line, reason, failure.traceback)
        if planned is None:
            raise self._missing(release, name)
        with self._drainer.turn:
            if name not in release.modules:
                release.modules[name] = self._builder.load_module(planned, release.plan)
        return self._shown(release, release.modules[name])

    def _present(self, release: Release, name: str) -> Any | None:
        """What needs no loading; None otherwise."""
        script = release.scripts.get(name.replace(".", "/"))
        if script is not None:
            return script.version.executed_module if script.environment is None else None
        version = release.modules.get(name)
        if version is not None:
            return self._shown(release, version)
        planned = release.plan.modules.get(name)
        if planned is not None and planned.is_package and not planned.blob:
            return self._namespace(release, name, lambda child: self.resolve(release, f"{name}.{child}"))
        return None

    def _shown(self, release: Release, version: Version) -> Any:
        if not version.planned.is_package:
            return version.executed_module
        return self._namespace(release, version.name, lambda child: self._member(release, version, child))

    def _member(self, release: Release, package: Version, name: str) -> Any:
        try:
            return getattr(package.executed_module, name)
        except AttributeError:
            return self.resolve(release, f"{package.name}.{name}")

    def _namespace(self, release: Release, name: str, find: Callable[[str], Any]) -> Namespace:
        if name not in self._kinds:
            self._kinds[name] = package_kind(name)
        namespace = self._kinds[name]()
        # Weakly: a namespace that refers to itself keeps its modules until the host's next collection.
        keeper = weakref.ref(namespace)

        def find_and_keep(child: str) -> Any:
            value, shown = find(child), keeper()
            if shown is not None and isinstance(value, (*_LASTING, Namespace)):
                object.__setattr__(shown, child, value)
            return value

        object.__setattr__(namespace, "_livegraft_find", find_and_keep)
        object.__setattr__(namespace, "_livegraft_names", lambda: self._children(release, name))
        return namespace

    def _missing(self, release: Release, name: str) -> NotLiveError:
        parent, _, child = name.rpartition(".")
        near = get_close_matches(child, self._children(release, parent), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        place = f"live.{parent}" if parent else "live"
        return NotLiveError(
            f"expected {name!r} to be a module of release {release.revision.short}, it has none of that name{hint} "
            f"(dir({place}) lists what it has; a commit of {name.replace('.', '/')}.py adds it)"
        )

    # -- completion ------------------------------------------------------------------------

    def _names(self) -> list[str]:
        release = self._release()
        return self._children(release, "") if release is not None else []

    def _children(self, release: Release, package: str) -> list[str]:
        """The modules and packages right below a package, then what its ``__init__`` defines in public."""
        prefix = f"{package}." if package else ""
        names = {*release.plan.modules, *release.modules}
        below = sorted({name[len(prefix) :].partition(".")[0] for name in names if name.startswith(prefix)})
        version = release.modules.get(package)
        own = vars(version.executed_module) if version is not None else {}
        return [*below, *(name for name in own if not name.startswith("_") and name not in below)]

    # -- functions to hand out -------------------------------------------------------------

    def hand_out(self, module: str, attribute: str, look: Look | None = None) -> FunctionType:
        """A function that calls the live one and looks like it, or always as is told.

        Raises NotLiveError and LoadError.
        """
        if look is not None:
            return hand_out(self.live, module, attribute, look)
        while True:
            release = self._release()
            if release is None:
                raise NotLiveError(
                    f"expected a release to be live before {module}:{attribute} is handed out, got none: "
                    "start the supervisor first, or give a signature"
                )
            look = self._look(release, module, attribute)
            function = hand_out(self.live, module, attribute, look)
            with self._lock:
                if self._release() is release:
                    self._handed_out[function] = _Handed(module, attribute, look.kind, _key(release, module))
                    return function

    def find(self, release: Release, module: str, attribute: str) -> Any:
        """A function of a release. Raises NotLiveError and LoadError."""
        found = self.resolve(release, module)
        for name in attribute.split("."):
            found = getattr(found, name)
        return found

    def _look(self, release: Release, module: str, attribute: str) -> Look:
        try:
            return Look.of(self.find(release, module, attribute))
        except (AttributeError, TypeError, ValueError) as error:
            if isinstance(error, NotLiveError):
                raise
            raise NotLiveError(
                f"expected {module}:{attribute} to be a function of the live release: {_why(error)}"
            ) from None

    def _followed(self, function: FunctionType, release: Release | None) -> list[Store]:
        """What to set on a function that was handed out, so that it looks as in another release."""
        handed = self._handed_out[function]
        key = _key(release, handed.module) if release is not None else ""
        if key == handed.key:
            return []
        handed.key = key
        look = None
        if release is not None and key:
            with suppress(NotLiveError, LoadError):  # it is gone: a call will tell
                look = self._look(release, handed.module, handed.attribute)
        if look is None:
            # Nothing of the version that goes may stay with it.
            look = Look.of(function).bare()
        # It stays the kind of function that whoever got it found: CPython exchanges no code for one of another kind.
        return list(stores(function, handed.module, handed.attribute, replace(look, kind=handed.kind)))


def _why(error: Exception) -> str:
    """What is wrong with a name that was looked up, without the names of modules that nobody wrote."""
    if not isinstance(error, AttributeError) or not error.name:
        return str(error)
    near = get_close_matches(error.name, dir(error.obj), 1)
    return f"there is no {error.name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


@dataclass(slots=True)
class _Handed:
    """What a function that was handed out calls, and the key of the version that it looks like."""

    module: str
    attribute: str
    kind: str
    key: str


def _key(release: Release, module: str) -> str:
    """The key of the version that serves a module's calls; "" when none does yet."""
    script = release.scripts.get(module.replace(".", "/"))
    version = script.version if script is not None else release.modules.get(module)
    return version.key if version is not None else ""
