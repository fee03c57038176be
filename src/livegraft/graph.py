"""Keys and plans: which module is which, and what it imports from the repository.

A module's key is a hash of its path, its blob and the keys of all it imports from the repository,
so equal code has an equal key in every commit and process, and a changed module gives a new key
to itself and to exactly those that import it, directly or through others.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import starmap
from typing import Final

from livegraft.bytecode import Import
from livegraft.code_cache import CodeCache
from livegraft.data_files import MOST_FILES, Folders, package_data, patterns_of
from livegraft.errors import HeaderError, SourceError
from livegraft.packed import read_packed
from livegraft.pauses import Pauses
from livegraft.revision import Revision
from livegraft.snapshot import Skipped, Snapshot
from livegraft.source import Source

KEY_DIGITS: Final = 20
"""Hex digits of a key: 80 bits, so that two keys of one repository never meet by accident."""

NEVER_LOADED: Final = "is a C extension, which is never loaded from a repository: install it as a package"

_KEPT_PLANS: Final = 4

ReadAll = Callable[[Iterable[tuple[str, bytes]], int], Iterator[tuple[Source, bytes | None]]]
"""Reads files of which paths and contents are given, and their number; see ``livegraft.packed.read_packed``."""


@dataclass(slots=True, eq=False)
class PlannedModule:
    """One module of a plan, at its key. Immutable once its plan is made.

    ``name`` is dotted (``reports.daily``); ``source`` is None for a folder without ``__init__.py``
    (a namespace package), whose ``blob`` is "". ``imports`` maps the dotted names of the repository
    that it imports to their modules in the same plan. ``fault`` is why it cannot be loaded: its own file or one
    that it reaches cannot be compiled, or names files that are not there. ``data`` maps the paths of the files that
    stand beside its source to their blobs; ``unmatched`` are patterns of its header's ``files`` that mean no file.
    """

    name: str
    path: str
    blob: str
    is_package: bool
    source: Source | None
    key: str = ""
    imports: Mapping[str, PlannedModule] = field(default_factory=dict)
    fault: SourceError | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    asks_for_files: bool = False
    """Whether its code, or code that it comes to, names ``__file__`` or the like: then its file must stand first."""
    mentions: Mapping[str, bool] = field(default_factory=dict)
    """What its imports could mean in the repository, by dotted name; True if that needs no ``tops``: a relative one."""

    @property
    def is_script(self) -> bool:
        return self.source is not None and self.source.entry is not None and not self.is_package

    @property
    def script(self) -> str:
        """The script's name: its path without ``.py``."""
        return self.path.removesuffix(".py")

    def reach(self) -> dict[str, PlannedModule]:
        """This module and all that it imports, directly or through others, by name."""
        found = {self.name: self}
        pending = [self]
        while pending:
            for name, module in pending.pop().imports.items():
                if name not in found:
                    found[name] = module
                    pending.append(module)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Every module of one revision, by dotted name.

    ``tops`` are the first parts of those names that absolute imports of version code find in the
    repository. ``changed`` are the names that came, left or have another key than in the plan of revision
    ``follows`` ("" for a first plan). ``extensions`` maps the dotted names of C extensions to their paths: these
    are never loaded.
    """

    revision: Revision
    modules: Mapping[str, PlannedModule]
    tops: frozenset[str]
    changed: frozenset[str]
    follows: str = ""
    skipped: tuple[Skipped, ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of a snapshot by module, in few mappings: there may be thousands, and they stay.

    ``blobs`` are those of all files by path. ``paths`` maps dotted names to paths; that of a folder without
    ``__init__.py`` is no file. ``data`` are paths and blobs of the data files of those modules that have some.
    """

    blobs: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def blob(self, name: str) -> str:
        """That of a module's file; "" for a folder."""
        return self.blobs.get(self.paths[name], "")

    def is_package(self, name: str) -> bool:
        path = self.paths[name]
        return path.endswith("/__init__.py") or path not in self.blobs

    def changed_since(self, before: _Files) -> set[str]:
        """The names that came, went, or are not what they were."""
        both = self.paths.keys() & before.paths.keys()
        changed = {name for name in both if self._content(name) != before._content(name)}
        return changed | (self.paths.keys() ^ before.paths.keys())

    def _content(self, name: str) -> tuple[object, ...]:
        return self.paths[name], self.blob(name), self.data.get(name)


class Planner:
    """Makes plans from snapshots; the work grows with what changed since the plan before.

    ``read`` gives the content of a blob; ``snapshot`` the tree of a revision that was planned before.
    ``read_many`` gives those of several, in their order. ``read_before`` are modules whose sources need not be read
    again; ``cache`` keeps what reading them found; ``read_all`` reads what is new. Plans are made by one thread;
    ``at`` and ``learn`` may be called from any.
    """

    def __init__(
        self,
        *,
        read: Callable[[str], bytes],
        snapshot: Callable[[str], Snapshot],
        read_many: Callable[[Sequence[str]], Iterator[bytes]] | None = None,
        read_before: Mapping[str, PlannedModule] | None = None,
        cache: CodeCache | None = None,
        read_all: ReadAll | None = None,
    ) -> None:
        self.read = read
        self._read_all = read_all or (lambda files, count: starmap(read_packed, files))
        self._cache = cache
        self._read_many = read_many or (lambda blobs: map(read, blobs))
        self._read_before = read_before or {}
        self._snapshot = snapshot
        self._files = _Files()
        self._plan: Plan | None = None
        # dotted name -> the modules whose imports mention it, whether it exists or not: so that a file
        # that appears or goes finds its importers.
        self._mentioned_by: dict[str, set[str]] = {}
        self._learnt: dict[tuple[str, str], dict[str, str]] = {}
        # Modules whose header names files, with the patterns; paths of packages' data, with the modules of that folder.
        self._patterns: dict[str, tuple[str, ...]] = {}
        self._readers: dict[str, list[str]] = {}
        self._too_many: list[Skipped] = []
        self._past: OrderedDict[str, Plan] = OrderedDict()
        self._past_lock = threading.Lock()

    def plan(self, snapshot: Snapshot) -> Plan:
        """The plan of a snapshot, next to which the plan before is incremental."""
        before, files_before = self._plan.modules if self._plan else {}, self._files
        files, changed = self._compare(snapshot.files)
        modules = dict(before)
        pause = Pauses()
        for name, source in self._sources(changed, files):
            self._replace(name, source, files, modules)
            pause()
        changed |= self._match_patterns(files, changed, modules)
        affected = self._importers(changed) & modules.keys()
        tops = self._plan.tops if self._plan and files.paths.keys() == files_before.paths.keys() else _tops(files)
        _Keys(modules, before, tops, self._learnt).compute(affected)
        self._files = files
        touched = frozenset(name for name in affected | changed if before.get(name) is not modules.get(name))
        if self._plan is not None and self._cache is not None:
            self._give_code((modules[name] for name in touched if name in modules), self._cache)
        follows = self._plan.revision.id if self._plan else ""
        if self._plan is not None and snapshot.files.keys() == files_before.blobs.keys():
            extensions = self._plan.extensions
        else:
            extensions = dict(_extensions(snapshot.files))
        compiled = (Skipped(path, NEVER_LOADED) for path in extensions.values())
        skipped = (*snapshot.skipped, *compiled, *_hidden(files), *self._too_many)
        self._plan = Plan(snapshot.revision, modules, tops, touched, follows, skipped, extensions)
        return self._plan

    def at(self, revision: str) -> Plan:
        """The plan of an earlier revision, made anew if it is not at hand."""
        if self._plan is not None and self._plan.revision.id == revision:
            return self._plan
        with self._past_lock:
            if revision not in self._past:
                snapshot = self._snapshot(revision)
                self._past[revision] = self._afresh().plan(snapshot)
                while len(self._past) > _KEPT_PLANS:
                    self._past.popitem(last=False)
            return self._past[revision]

    def _afresh(self) -> Planner:
        modules = self._plan.modules if self._plan else {}
        return Planner(
            read=self.read,
            snapshot=self._snapshot,
            read_many=self._read_many,
            read_before=modules,
            cache=self._cache,
            read_all=self._read_all,
        )

    def learn(self, importer: PlannedModule, target: PlannedModule) -> None:
        """Remember an import that the syntax tree does not show: from now on it counts for the importer's key.

        The importer's present key stays as it is; it changes when the target's key does.
        """
        self._learnt.setdefault((importer.path, importer.blob), {}).setdefault(target.name, target.key)
        self._mentioned_by.setdefault(target.name, set()).add(importer.name)

    def _compare(self, blobs: Mapping[str, str]) -> tuple[_Files, set[str]]:
        """The files of a snapshot, and the names of the modules that differ from the snapshot before."""
        before = self._files
        if blobs.keys() != before.blobs.keys():
            paths = _paths(blobs)
            files = _Files(blobs, paths, self._data_by_module(paths, blobs))
            return files, files.changed_since(before)
        data, changed = dict(before.data), set()
        for path, blob in blobs.items():
            if blob == before.blobs[path]:
                continue
            name = module_name(path)
            if name is not None and before.paths[name] == path:
                changed.add(name)
            for reader in self._readers.get(path, ()):
                data[reader] = {**data[reader], path: blob}
                changed.add(reader)
        return _Files(blobs, before.paths, data), changed

    def _data_by_module(self, paths: Mapping[str, str], blobs: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """The data files of each module that stands in a package with such."""
        by_folder = package_data(blobs)
        self._readers, self._too_many = {}, []
        for folder in [folder for folder in by_folder if len(by_folder[folder]) > MOST_FILES]:
            reason = f"expected at most {MOST_FILES:,} files that are no Python, got: {len(by_folder.pop(folder)):,}"
            self._too_many.append(Skipped(folder, f"{reason}; they are left out"))
        found: dict[str, dict[str, str]] = {}
        for name, path in paths.items() if by_folder else ():
            beside = by_folder.get(path.rpartition("/")[0]) if path in blobs else None
            if beside:
                found[name] = beside
                for each in beside:
                    self._readers.setdefault(each, []).append(name)
        return found

    def _match_patterns(self, files: _Files, changed: set[str], modules: dict[str, PlannedModule]) -> set[str]:
        """Give the modules whose header names files what is there now; the names of those that get something else."""
        for name in changed:
            module = modules.get(name)
            patterns = patterns_of(module.source) if module and module.source else ()
            if patterns:
                self._patterns[name] = patterns
            else:
                self._patterns.pop(name, None)
        if not self._patterns or files.blobs == self._files.blobs:
            return set()
        folders = Folders(files.blobs)
        found = set()
        for name, patterns in self._patterns.items():
            module = modules[name]
            matched, unmatched = folders.matching(patterns, module.path)
            data = {**(matched if len(matched) <= MOST_FILES else {}), **files.data.get(name, {})}
            if len(matched) > MOST_FILES:
                unmatched = (*unmatched, f"{len(matched):,} files, at most {MOST_FILES:,}")
            if (data, unmatched) != (module.data, module.unmatched):
                modules[name] = replace(module, key="", imports={}, fault=None, data=data, unmatched=unmatched)
                found.add(name)
        return found

    def _sources(self, names: Iterable[str], files: _Files) -> Iterator[tuple[str, Source | None]]:
        """Each name with its source: None for one that is gone, and for a folder."""
        unread: list[str] = []
        for name in names:
            path = files.paths.get(name, "")
            blob, known = files.blobs.get(path, ""), self._read_before.get(name)
            if not blob:
                yield name, None
            elif known is not None and (known.path, known.blob) == (path, blob):
                yield name, known.source
            elif self._cache is not None and (source := self._cache.get(path, blob, self.read)) is not None:
                yield name, source
            else:
                unread.append(name)
        paths, contents = map(files.paths.__getitem__, unread), self._read_many([files.blob(name) for name in unread])
        new = zip(paths, contents, strict=True)
        for name, (source, packed) in zip(unread, self._read_all(new, len(unread)), strict=True):
            if self._cache is not None and packed is not None:
                self._cache.add(files.blob(name), packed)
            yield name, source

    @staticmethod
    def _give_code(changed: Iterable[PlannedModule], cache: CodeCache) -> None:
        """Have the code at hand of those that are executed anew because of what they import: they may be thousands.

        A plan of the past needs none: most of its versions are here.
        """
        pause = Pauses()
        for module in changed:
            source = module.source
            if source is not None and source.code is None:
                code = cache.code(module.blob)
                if code is not None:
                    source.give_code(code)
                pause()

    def save_cache(self) -> None:
        """Keep what was read of new files for the next start. Raises OSError."""
        if self._cache is not None:
            self._cache.save({self._files.blob(name) for name in self._files.paths})

    def _replace(self, name: str, source: Source | None, files: _Files, modules: dict[str, PlannedModule]) -> None:
        gone = modules.pop(name, None)
        if gone is not None:
            for mention in gone.mentions:
                self._mentioned_by[mention].discard(name)
        if name in files.paths:
            is_package = files.is_package(name)
            mentions = _mentions(name, is_package, source) if source is not None else {}
            modules[name] = PlannedModule(
                name,
                files.paths[name],
                files.blob(name),
                is_package,
                source,
                data=files.data.get(name) or {},
                mentions=mentions,
            )
            for mention in mentions:
                self._mentioned_by.setdefault(mention, set()).add(name)

    def _importers(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending.extend(self._mentioned_by.get(name, ()))
        return found


class _Keys:
    """Links the affected modules to what they import and computes their keys, dependencies first.

    Tarjan's algorithm for strongly connected components, without recursion (an import chain may be
    longer than Python's stack); the members of an import cycle share one key.
    """

    def __init__(
        self,
        modules: dict[str, PlannedModule],
        before: Mapping[str, PlannedModule],
        tops: frozenset[str],
        learnt: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> None:
        self._modules, self._before, self._tops, self._learnt = modules, before, tops, learnt
        self._index: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._stack: list[str] = []
        self._on_stack: set[str] = set()
        self._shared: dict[tuple[str, ...], dict[str, PlannedModule]] = {}

    def compute(self, affected: set[str]) -> None:
        imports: dict[str, list[str]] = {}
        for name in affected:
            module = self._modules[name]
            if module.key:  # an object of the plan before, which others may be using
                module = replace(module, key="", imports={}, fault=None)
                self._modules[name] = module
            imports[name] = self._imports(module)
        for name in sorted(affected):
            if name not in self._index:
                self._visit(name, affected, imports)

    def _imports(self, module: PlannedModule) -> list[str]:
        found = self._seen(module)
        learnt = self._learnt.get((module.path, module.blob))
        if learnt:
            found = list({*found, *(name for name in learnt if name in self._modules)})
        return sorted(found)

    def _seen(self, module: PlannedModule) -> list[str]:
        """What the syntax of a module says that it imports of the repository."""
        modules, tops = self._modules, self._tops
        return [
            name
            for name, is_relative in module.mentions.items()
            if name in modules and (is_relative or name.partition(".")[0] in tops) and name != module.name
        ]

    def _visit(self, root: str, affected: set[str], imports: Mapping[str, list[str]]) -> None:
        if all(imported in self._index or imported not in affected for imported in imports[root]):
            self._index[root] = len(self._index)  # as most: all that it imports has a key, and no cycle leads back
            self._close([root], imports)
            return
        work = [(root, iter(imports[root]))]
        self._enter(root)
        while work:
            name, rest = work[-1]
            for imported in rest:
                if imported not in affected:
                    continue
                if imported not in self._index:
                    self._enter(imported)
                    work.append((imported, iter(imports[imported])))
                    break
                if imported in self._on_stack:
                    self._low[name] = min(self._low[name], self._index[imported])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    self._low[parent] = min(self._low[parent], self._low[name])
                if self._low[name] == self._index[name]:
                    self._close(self._component(name), imports)

    def _enter(self, name: str) -> None:
        self._index[name] = self._low[name] = len(self._index)
        self._stack.append(name)
        self._on_stack.add(name)

    def _component(self, root: str) -> list[str]:
        members: list[str] = []
        while not members or members[-1] != root:
            members.append(self._stack.pop())
            self._on_stack.discard(members[-1])
        return sorted(members)

    def _close(self, members: list[str], imports: Mapping[str, list[str]]) -> None:
        key = self._key(members, imports)
        if all(name in self._before and self._before[name].key == key for name in members):
            for name in members:  # nothing that they import changed after all
                self._modules[name] = self._before[name]
            return
        for name in members:
            module = self._modules[name]
            module.key = key
            module.imports = self._linked(imports[name])
        self._mark([self._modules[name] for name in members])

    def _linked(self, names: Sequence[str]) -> dict[str, PlannedModule]:
        """The modules that are imported: one mapping for all that import the same, as many of thousands do."""
        found = self._shared.get(tuple(names))
        if found is None:
            found = self._shared[tuple(names)] = {name: self._modules[name] for name in names}
        return found

    @staticmethod
    def _mark(members: Sequence[PlannedModule]) -> None:
        """What one of a cycle cannot load, none of it can; all that is imported from outside has its mark."""
        own: SourceError | None = None
        imported: SourceError | None = None
        asks = False
        for member in members:
            own = own or _own_fault(member)
            asks = asks or (member.source is not None and member.source.asks_for_files)
            for other in member.imports.values():
                imported = imported or other.fault
                asks = asks or other.asks_for_files
        for member in members:
            member.fault, member.asks_for_files = own or imported, asks

    def _key(self, members: list[str], imports: Mapping[str, list[str]]) -> str:
        digest = hashlib.sha256()
        outside: set[tuple[str, str]] = set()
        for name in members:
            module = self._modules[name]
            digest.update(f"{module.path}\0{module.blob}\0".encode())
            for path, blob in sorted(module.data.items()) if module.data else ():
                digest.update(f"data\0{path}\0{blob}\0".encode())
            learnt = self._learnt.get((module.path, module.blob))
            seen = self._seen(module) if learnt else ()
            for imported in imports[name]:
                if imported in members:
                    continue
                present = self._modules[imported].key
                # A learnt import counts only once its target has changed: else learning would reload.
                if not learnt or imported in seen or present != learnt.get(imported):
                    outside.add((imported, present))
        for imported, present in sorted(outside):
            digest.update(f"{imported}\0{present}\0".encode())
        return digest.hexdigest()[:KEY_DIGITS]


def _own_fault(module: PlannedModule) -> SourceError | None:
    if module.source is not None and module.source.error is not None:
        return module.source.error
    if module.unmatched:
        told = ", ".join(map(repr, module.unmatched))
        return HeaderError(module.path, 0, f"expected files to name files of the commit, got none for: {told}")
    return None


def module_name(path: str) -> str | None:
    """``reports/daily.py`` -> ``reports.daily``; ``helpers/__init__.py`` -> ``helpers``; None if it is no module."""
    if not path.endswith(".py"):
        return None
    parts = path[:-3].split("/")
    if any("." in part or not part for part in parts):
        return None
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) or None


def absolute_name(name: str, level: int, importer: str, is_package: bool) -> str | None:
    """What ``level`` leading dots and ``name`` mean in a module; None beyond the repository's root."""
    if not level:
        return name
    parts = importer.split(".")
    dropped = level - 1 if is_package else level
    if dropped > len(parts):
        return None
    base = parts[: len(parts) - dropped]
    return ".".join([*base, name] if name else base)


def prefixes(name: str) -> list[str]:
    """``a.b.c`` -> ``a``, ``a.b``, ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _mentions(name: str, is_package: bool, source: Source) -> Mapping[str, bool]:
    """Dotted names that the imports of a module could mean in the repository; True for those of relative imports."""
    if not any(statement.level for statement in source.imports):
        return _absolute_mentions(source.imports)
    found: dict[str, bool] = dict(_absolute_mentions(tuple(each for each in source.imports if not each.level)))
    for statement in source.imports:
        base = absolute_name(statement.name, statement.level, name, is_package) if statement.level else None
        if base is not None:
            found.update(dict.fromkeys(_named(statement, base), True))
    return found


@lru_cache(maxsize=4096)
def _absolute_mentions(imports: tuple[Import, ...]) -> Mapping[str, bool]:
    """One mapping for all modules that import the same, as many of thousands do."""
    named = (
        each
        for statement in imports
        if statement.name.partition(".")[0] not in sys.stdlib_module_names
        for each in _named(statement, statement.name)
    )
    return dict.fromkeys(named, False)


def _named(statement: Import, base: str) -> Iterator[str]:
    if base:
        yield from prefixes(base)
    for item in statement.items:
        yield f"{base}.{item}" if base else item


def _paths(files: Iterable[str]) -> dict[str, str]:
    """Dotted name -> path, those of folders too. A package hides a module of the same name, as in a plain checkout."""
    found: dict[str, str] = {}
    folders: set[str] = set()
    for path in files:
        name = module_name(path)
        if name is None:
            continue
        if name not in found or path.endswith("/__init__.py"):
            found[name] = path
        folders.add(path.rpartition("/")[0])
    for folder in folders:
        for name in prefixes(folder.replace("/", ".")) if folder else ():
            found.setdefault(name, name.replace(".", "/"))
    return found


def _extensions(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Compiled modules among the files: dotted name and path."""
    for path in files:
        if path.endswith((".so", ".pyd")):
            folder, _, leaf = path.rpartition("/")
            yield f"{folder}/{leaf.partition('.')[0]}".lstrip("/").replace("/", "."), path


def _tops(files: _Files) -> frozenset[str]:
    """First name parts that belong to the repository: not the standard library's, and not those of a
    bare folder where a real package of that name is installed (Python prefers that one as well)."""
    tops = {name.partition(".")[0] for name in files.paths} - sys.stdlib_module_names
    return frozenset(top for top in tops if files.blob(top) or not _is_installed(top))


def _hidden(files: _Files) -> Iterator[Skipped]:
    """What stands at the root under a name of the standard library: imports get the standard module."""
    for name in sorted(files.paths.keys() & sys.stdlib_module_names):
        yield Skipped(
            files.paths[name],
            f"expected a name that the standard library does not have, got: {name!r}; `import {name}` means the"
            " standard module, rename this one",
        )


def _is_installed(top: str) -> bool:
    try:
        spec = importlib.machinery.PathFinder.find_spec(top)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None
