"""The packages that this process can import: as they are on disk now, and as they were when it imported them.

Python never replaces what it imported: a package that is upgraded, installed anew or removed under a running
process goes on as it was, half of it perhaps, until a restart.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from packaging.utils import canonicalize_name

Value = TypeVar("Value")

LOOK_SECONDS: Final = 2.0
"""The shortest pause between two looks at the disk that nobody waits for; a look takes about a millisecond."""


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution. ``name`` is in its canonical form; ``stamp`` differs when it was installed anew."""

    name: str
    version: str
    metadata: str
    stamp: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package that was imported and is not on disk as it was then; ``installed`` is "" when it was removed."""

    name: str
    loaded: str
    installed: str

    def __str__(self) -> str:
        if not self.installed:
            return f"{self.name} {self.loaded} is loaded, it was removed"
        if self.installed == self.loaded:
            return f"{self.name} {self.loaded} was installed anew since it was loaded"
        return f"{self.name} {self.loaded} is loaded, {self.installed} is installed"


class Installed:
    """The packages on ``sys.path``, looked at again and again; the first look is made when this is created.

    ``changes`` are those that need a restart. ``generation`` counts the differences that were seen: what did
    not fit the packages of one generation may fit those of the next.
    """

    def __init__(self, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._look_seconds = look_seconds
        self._lock = threading.Lock()
        self._found: Mapping[str, Package] = _scan()
        # What an import gives: the package as it was imported, else as it is on disk.
        self._known = self._found
        self._looked_at = time.monotonic()
        self._modules: dict[Package, frozenset[str]] = {}
        self.generation = 0
        self.changes: tuple[PackageChange, ...] = ()

    def look(self, *, at_once: bool = False) -> None:
        """Look at the disk, unless that was done a moment ago (``at_once``: even then)."""
        with self._lock:
            if not at_once and time.monotonic() - self._looked_at < self._look_seconds:
                return
            found = _scan()
            if found != self._found:
                self.generation += 1
                # Python remembers what folders do not have, by their times, which may be too coarse.
                importlib.invalidate_caches()
            self._found = found
            self._compare(found)
            self._looked_at = time.monotonic()

    def version(self, name: str) -> str | None:
        """The version that an import gives: the one in the process if it was imported, else the one on disk."""
        if canonicalize_name(name) not in self._known:
            self.look(at_once=True)
        known = self._known.get(canonicalize_name(name))
        return known.version if known else _found_by_others(name, lambda other: other.version)

    def known(self, name: str) -> str | None:
        """As ``version``, by the last look alone: costs nothing."""
        known = self._known.get(canonicalize_name(name))
        return known.version if known else None

    def change(self, name: str) -> PackageChange | None:
        """Why a package needs a restart, if it does."""
        canonical = canonicalize_name(name)
        return next((change for change in self.changes if change.name == canonical), None)

    def extras(self, name: str) -> frozenset[str]:
        """The extras that a package on disk offers, in canonical form."""
        return frozenset(map(canonicalize_name, self._metadata(name, _read_extras) or ()))

    def requires(self, name: str) -> tuple[str, ...]:
        """What a package on disk requires, those of its extras too, as it was written."""
        return tuple(self._metadata(name, lambda other: other.requires) or ())

    def _metadata(
        self, name: str, read: Callable[[importlib.metadata.Distribution], list[str] | None]
    ) -> list[str] | None:
        package = self._found.get(canonicalize_name(name))
        if package is None:
            return _found_by_others(name, read)
        return read(importlib.metadata.PathDistribution(Path(package.metadata)))

    def _compare(self, found: Mapping[str, Package]) -> None:
        """Tell what was imported and is different now; what was not imported yet will be as it is now."""
        different = [before for name, before in self._known.items() if found.get(name) != before]
        imported = self._imported(different, found) if different else set()
        kept = {before.name: before for before in different if before in imported}
        self._known = {**found, **kept}
        changes = (
            PackageChange(name, before.version, found[name].version if name in found else "")
            for name, before in sorted(kept.items())
        )
        self.changes = tuple(changes)

    def _imported(self, different: Iterable[Package], found: Mapping[str, Package]) -> set[Package]:
        """Those packages of which a module is in the process."""
        imported, removed = set(), []
        for before in different:
            now = found.get(before.name)
            if now is None:
                removed.append(before)
            elif not self._modules_of(now).isdisjoint(sys.modules):
                imported.add(before)
        return imported | _still_loaded(removed) if removed else imported

    def _modules_of(self, package: Package) -> frozenset[str]:
        known = self._modules.get(package)
        if known is None:
            known = self._modules[package] = frozenset(_module_names(package)) or frozenset({_like(package.name)})
        return known


def _scan() -> Mapping[str, Package]:
    """Every distribution in the folders of ``sys.path``, by canonical name; the first one counts, as for imports."""
    found: dict[str, Package] = {}
    for folder in sys.path:
        for package in _packages_in(folder or os.curdir):
            found.setdefault(package.name, package)
    return found


def _packages_in(folder: str) -> Iterator[Package]:
    try:
        with os.scandir(folder) as entries:
            described = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # a folder that is not there, or a zip file
        return
    for path in described:
        package = _package(path)
        if package is not None:
            yield package


def _package(path: str) -> Package | None:
    """What a folder ``rich-13.7.1.dist-info`` stands for, by its name: reading each would take far longer."""
    name, _, version = os.path.basename(path).rpartition(".")[0].rpartition("-")
    try:
        try:
            stamp = os.stat(f"{path}/RECORD")
        except OSError:
            stamp = os.stat(path)
        if not path.endswith(".dist-info") or not version:  # the older form has the Python version in its name
            described = importlib.metadata.PathDistribution(Path(path))
            name, version = described.metadata["Name"], described.version
    except (OSError, KeyError, TypeError):  # removed at this moment, or damaged
        return None
    return Package(canonicalize_name(name), version.replace("_", "-"), path, (stamp.st_mtime_ns, stamp.st_size))


def _found_by_others(name: str, read: Callable[[importlib.metadata.Distribution], Value]) -> Value | None:
    """What finders of other kinds know (zip files, packed applications): not looked at for changes."""
    try:
        return read(importlib.metadata.distribution(name))
    except (importlib.metadata.PackageNotFoundError, ValueError, OSError):
        return None


def _read_extras(distribution: importlib.metadata.Distribution) -> list[str] | None:
    return distribution.metadata.get_all("Provides-Extra")


def _module_names(package: Package) -> Iterator[str]:
    """The outermost modules that a package brings, by its list of files: ``rich``, ``google.cloud.storage``."""
    try:
        lines = Path(package.metadata, "RECORD").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    files = {line.split(",", 1)[0] for line in lines}
    packages = {file.rpartition("/")[0] for file in files if file.endswith("/__init__.py")}
    for file in files:
        folder, _, leaf = file.rpartition("/")
        stem, _, ending = leaf.partition(".")
        if leaf == "__init__.py":
            parent, _, stem = folder.rpartition("/")
            if parent not in packages:
                yield folder.replace("/", ".")
        elif ending.rpartition(".")[2] in ("py", "so", "pyd") and folder not in packages and ".." not in folder:
            yield f"{folder}/{stem}".lstrip("/").replace("/", ".")


def _like(name: str) -> str:
    """The module that a package is most likely called after."""
    return name.replace("-", "_")


def _still_loaded(removed: Iterable[Package]) -> set[Package]:
    """Packages that left the disk and whose modules are still in the process.

    Their lists of files are gone with them: modules whose files are gone tell it. Those that bear no
    package's name (``yaml`` of ``pyyaml``) count for every removed one of that folder.
    """
    vanished: dict[str, set[str]] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not os.path.exists(file):
            vanished.setdefault(name.partition(".")[0], set()).add(file)
    names = {_like(package.name) for package in removed}
    nameless = [file for top, files in vanished.items() if top.lower() not in names for file in files]
    return {
        package
        for package in removed
        if _like(package.name) in {top.lower() for top in vanished}
        or any(file.startswith(os.path.dirname(package.metadata) + os.sep) for file in nameless)
    }
