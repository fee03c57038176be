"""Executes versions beside each other, each with the modules of its own plan.

A version is executed once in a process, on the thread that asks first; another thread that needs
it meanwhile waits. Its sources stand in a folder named by its key and are compiled with that path,
so tracebacks, ``inspect``, coverage and breakpoints find them.
"""

from __future__ import annotations

import contextvars
import importlib.machinery
import itertools
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from livegraft import live
from livegraft.bytecode import with_file
from livegraft.clock import Clock
from livegraft.crash_marker import CrashMarker
from livegraft.errors import LoadError, MirrorError
from livegraft.graph import Plan, PlannedModule, Planner
from livegraft.imports import Imports
from livegraft.origins import Origins
from livegraft.pauses import Pauses
from livegraft.revision import SHORT
from livegraft.source import Source
from livegraft.version import Version, VersionState, closed_group

_NO_SUBMODULES: Final[list[str]] = []


class FailedImport(ImportError):
    """A version that failed before is imported again: it is not tried until its key changes."""


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """The ``__loader__`` of a version: what asks it for the source gets it, on disk already or not."""

    def __init__(self, name: str, file: str, loader: Loader) -> None:
        self.name, self.path = name, file
        self._loader = loader

    def get_data(self, path: str) -> bytes:
        try:
            self._loader.write_source(path)
        except MirrorError as error:
            raise OSError(f"{path}: {error}") from None  # what callers of a loader expect
        return super().get_data(path)


class Loader:
    """The versions of one supervisor in this process.

    ``read`` gives the content of a blob; ``folder`` takes the sources; ``planner`` resolves imports
    that the syntax tree did not show; ``offered`` are objects of the supervisor that version code imports
    from ``livegraft``, by name; ``space`` is the suffix of module names, if another process chose it.
    ``marker`` is told what is being executed; ``refusal`` tells why a version (name, key, path) must not be.
    """

    _spaces = itertools.count()

    def __init__(
        self,
        *,
        planner: Planner,
        folder: Path,
        clock: Clock,
        describe: Callable[[BaseException, Version], LoadError],
        offered: Mapping[str, object] | None = None,
        space: str | None = None,
        marker: CrashMarker | None = None,
        refusal: Callable[[str, str, str], LoadError | None] = lambda name, key, path: None,
    ) -> None:
        self._marker = marker or CrashMarker()
        self._refusal = refusal
        self._planner = planner
        self._folder = folder.absolute()
        self._clock = clock
        self._describe = describe
        self._versions: dict[tuple[str, str], Version] = {}
        self._by_module: dict[str, Version] = {}
        self.origins = Origins(self._folder / "origins")
        # On their way out for good: no plan finds them, their own code does.
        self._retired: set[Version] = set()
        # Guards the registries and the waiting; never held while code executes. A collection may run finalizers of
        # anybody wherever something is allocated, and these may import: so the holder may take it again.
        self._lock = threading.RLock()
        self._writes_later = False
        self._unwritten: dict[str, Source] = {}
        self._waiting: dict[int, Version] = {}
        self._settled = threading.Condition(self._lock)
        # A second supervisor in one process must not share modules with the first: its keys get a suffix.
        if space is None:
            number = next(self._spaces)
            space = f"+{number}" if number else ""
        self.space = space
        self._offered = dict(offered or {})
        self._builtins = Imports(self, self._offered).builtins

    @property
    def versions(self) -> tuple[Version, ...]:
        """All versions that are known here, failed and retired ones too."""
        with self._lock:
            return (*self._versions.values(), *self._retired)

    @property
    def beyond(self) -> tuple[object, ...]:
        """What version code refers to and what is of no version: this loader, the private builtins, what is offered."""
        return (self, self._builtins, *self._offered.values())

    @property
    def folder(self) -> Path:
        """Where the sources stand."""
        return self._folder

    def find(self, name: str, key: str) -> Version | None:
        return self._versions.get((name, key))

    def importer(self, module_name: str) -> Version | None:
        return self._by_module.get(module_name)

    def link(self, importer: Version, name: str) -> Version | None:
        planned = importer.planned.imports.get(name) or importer.reach.get(name)
        if planned is None and name.partition(".")[0] in importer.tops:
            planned = self._learn(importer, name)
        if planned is None:
            return None
        if importer.is_retired:
            # Plans do not find what is retired; its own code goes on with what it has used.
            for used in (importer, *importer.used):
                if (used.name, used.key) == (planned.name, planned.key):
                    return used
        version = self._execute_once(planned, importer.revision, importer.tops)
        while version is not importer and version not in importer.used and not self._note_use(importer, version):
            # It was on its way out and is gone since: the importer gets it anew.
            version = self._execute_once(planned, importer.revision, importer.tops)
        return version

    def _note_use(self, importer: Version, version: Version) -> bool:
        with self._lock:
            if self._versions.get((version.name, version.key)) is not version:
                return False
            importer.use(version)
            return True

    def load(self, planned: PlannedModule, plan: Plan) -> Version:
        """The version of a planned module, executed now unless it was before.

        Raises LoadError with the place in the repository; nothing of the failed version stays registered.
        """
        refused = self._refusal(planned.name, planned.key, planned.path)
        if refused is not None:
            raise refused
        try:
            return self._execute_once(planned, plan.revision.id, plan.tops)
        except BaseException:  # whatever the code raised, SystemExit too, is in the version's failure
            failed = self._versions.get((planned.name, planned.key))
            if failed is None or failed.failure is None:
                raise
            failure = failed.failure.again()
        # Outside of the handler, so that it carries no context: that would keep the failed code's frames.
        raise failure

    def stand_in(self, planned: PlannedModule, plan: Plan) -> Version:
        """Stands for a module that is executed elsewhere: live, and of no module here. Nothing is registered."""
        version = Version(
            planned,
            module_name="",
            revision=plan.revision.id,
            tops=plan.tops,
            since=self._clock.now(),
            registry=self._lock,
        )
        version.move(VersionState.LOADING, self._clock.now())
        version.move(VersionState.LIVE, self._clock.now())
        version.loaded_at = version.since
        self.origins.add(planned.key, plan.revision.id)
        return version

    def abandon(self, version: Version, failure: LoadError) -> None:
        """Give up on a version whose code does not come to its end."""
        with self._lock:
            if version.state is VersionState.LOADING:
                self._fail(version, failure)

    def loading(self, thread: int) -> tuple[Version, ...]:
        """The versions that a thread is executing now."""
        with self._lock:
            return tuple(version for version in self._versions.values() if version.loading_thread == thread)

    def retire(self, version: Version) -> None:
        """Let no plan find a version any more; its names stay for its own code."""
        with self._lock:
            if not version.is_retired:
                version.is_retired = True
                self._retired.add(version)
                self._versions.pop((version.name, version.key), None)

    def take_out(
        self,
        versions: Collection[Version],
        find_free: Callable[[Mapping[Version, ModuleType]], Collection[Version]],
    ) -> dict[Version, ModuleType]:
        """Retire versions and take their names and modules away, but for those that turn out not to be free.

        They are out of everybody's reach before ``find_free`` looks at them, and until it has looked nobody can link,
        register or read one: whoever tries waits for the lock. So nobody can come in between the look and the
        end. Those that a version which stays uses (again) stay too. Returns what was taken, with the modules.
        """
        with self._lock:
            modules = {version: version.executed_module for version in closed_group(versions)}
            for version in modules:
                sys.modules.pop(version.module_name, None)
                version.module = None
            free: set[Version] = set()
            try:
                free = closed_group(find_free(modules))
            finally:
                for version in modules.keys() - free:
                    version.module = sys.modules[version.module_name] = modules.pop(version)
            for version in free:
                self.retire(version)
            return modules

    def forget(self, version: Version) -> None:
        """Take a retired version out of the registries: not even its own code finds it any more.

        Its source is on disk from now on, for tracebacks that come late.
        """
        with suppress(OSError, MirrorError):
            self.write_source(version.file)
        with self._lock:
            self._retired.discard(version)
            if self._by_module.get(version.module_name) is version:
                del self._by_module[version.module_name]
            version.use_none()

    def forget_failed(self, plan: Plan) -> None:
        """Drop what failed at keys that the plan does not have: nobody asks for these again."""
        with self._lock:
            for version in [known for known in self._versions.values() if known.failure is not None]:
                planned = plan.modules.get(version.name)
                if planned is None or planned.key != version.key:
                    del self._versions[version.name, version.key]
                    self._by_module.pop(version.module_name, None)

    def forget_failures(self, module: PlannedModule) -> None:
        """Have a module, and all that it imports from the repository, be executed again where that failed."""
        pending, seen = [module], {module}
        while pending:
            each = pending.pop()
            fresh = [imported for imported in each.imports.values() if imported not in seen]
            pending += fresh
            seen.update(fresh)
        with self._lock:
            for each in seen:
                version = self._versions.get((each.name, each.key))
                if version is not None and version.failure is not None:
                    del self._versions[each.name, each.key]
                    self._by_module.pop(version.module_name, None)

    def locate(self, file: str) -> tuple[str, str] | None:
        """The repository path and the short revision of a source file of ours; None for any other file."""
        try:
            key, _, path = Path(file).relative_to(self._folder).as_posix().partition("/")
        except ValueError:
            return None
        with suppress(OSError, MirrorError):  # a place without its line is better than none
            self.write_source(file)
        return (path, (self.origins.get(key) or key)[:SHORT]) if path else None

    def _learn(self, importer: Version, name: str) -> PlannedModule | None:
        planned = self._planner.at(importer.revision).modules.get(name)
        if planned is not None:
            self._planner.learn(importer.planned, planned)
            importer.reach = {**planned.reach(), **importer.reach}
        return planned

    def _execute_once(self, planned: PlannedModule, revision: str, tops: frozenset[str]) -> Version:
        version = self._versions.get((planned.name, planned.key))
        if version is not None and version.loaded_at is not None:
            return version
        me = threading.get_ident()
        with self._lock:
            version = self._versions.get((planned.name, planned.key))
            if version is None:
                refused = self._refusal(planned.name, planned.key, planned.path)
                if refused is not None:
                    raise FailedImport(str(refused), name=planned.name)
                version = self._register(planned, revision, tops)
                version.loading_thread = me
            elif version.failure is not None:
                raise FailedImport(f"{planned.name} failed to load before: {version.failure}", name=planned.name)
            elif version.loaded_at is not None or self._would_wait_for_itself(version, me):
                # Loaded meanwhile; or an import cycle, which sees the module half made, as in plain Python.
                return version
            else:
                self._waiting[me] = version
        if version.loading_thread == me:
            self._execute(version)
        else:
            self._await(version, me)
        return version

    def _would_wait_for_itself(self, version: Version, thread: int) -> bool:
        """Whether the thread that executes a version waits, through others perhaps, for this thread."""
        holder = version.loading_thread
        while holder is not None and holder != thread:
            awaited = self._waiting.get(holder)
            holder = awaited.loading_thread if awaited else None
        return holder == thread

    def _await(self, version: Version, thread: int) -> None:
        with self._settled:
            self._settled.wait_for(lambda: version.loading_thread is None)
            self._waiting.pop(thread, None)
        if version.failure is not None:
            raise FailedImport(f"{version.name} failed to load: {version.failure}", name=version.name)

    def _register(self, planned: PlannedModule, revision: str, tops: frozenset[str]) -> Version:
        name = live.module_name(planned.name, planned.key) + self.space
        while (known := self._by_module.get(name)) is not None and known.module is not None:
            name += "~"  # a retired version of this key is still there
        version = Version(
            planned,
            module_name=name,
            revision=revision,
            tops=tops,
            since=self._clock.now(),
            registry=self._lock,
        )
        version.move(VersionState.LOADING, self._clock.now())
        self._versions[planned.name, planned.key] = version
        self._by_module[version.module_name] = version
        self.origins.add(planned.key, revision)
        return version

    def _execute(self, version: Version) -> None:
        place = self._marker.loading(version.name.replace(".", "/"), version.key, version.revision)
        try:
            self._execute_marked(version)
        finally:
            self._marker.free(place)

    def _execute_marked(self, version: Version) -> None:
        try:
            module = self._make_module(version)
            code = self._compile(version)
            version.module = sys.modules[version.module_name] = module
            # In a copy of the context: a ContextVar set at import time must not live on in the thread.
            if code is not None:
                contextvars.copy_context().run(exec, code, module.__dict__)
        except BaseException as error:
            failure = self._describe(error, version)
            with self._lock:
                self._fail(version, failure)
            raise
        with self._lock:
            if version.state is VersionState.FAILED:  # abandoned meanwhile
                raise FailedImport(f"{version.name} was given up: {version.failure}", name=version.name)
            version.loading_thread = None
            version.loaded_at = self._clock.now()
            version.move(VersionState.LIVE, version.loaded_at)
            self._settle()

    def _fail(self, version: Version, failure: LoadError) -> None:
        if version.state is VersionState.FAILED:
            return
        version.move(VersionState.FAILED, self._clock.now())
        version.failure = failure
        version.loading_thread = None
        sys.modules.pop(version.module_name, None)
        version.module = None
        version.views.clear()
        version.use_none()
        self._settle()

    def _settle(self) -> None:
        """Wake the threads that wait for a version; called with the lock."""
        if self._waiting:
            self._settled.notify_all()

    def _make_module(self, version: Version) -> ModuleType:
        module = ModuleType(version.module_name)
        file = version.file = self._materialise(version.planned)
        loader = _SourceLoader(version.module_name, file, self)
        spec = importlib.machinery.ModuleSpec(
            version.module_name, loader, origin=file, is_package=version.planned.is_package
        )
        spec.has_location = True
        # One list for all: it is for submodules on their way, which are not found by these names.
        spec._uninitialized_submodules = _NO_SUBMODULES  # type: ignore[attr-defined]
        module.__dict__.update(
            __builtins__=self._builtins,
            __file__=file,
            __loader__=loader,
            __package__=version.name if version.planned.is_package else version.name.rpartition(".")[0],
            __spec__=spec,
        )
        if version.planned.is_package:
            spec.submodule_search_locations = module.__path__ = [os.path.dirname(file)]
        return module

    def _compile(self, version: Version) -> CodeType | None:
        source = version.planned.source
        # A folder without ``__init__.py`` has no file: a tool that measures lines would look for it.
        return with_file(source.take_code(), self._file(version.planned)) if source is not None else None

    def _file(self, planned: PlannedModule) -> str:
        path = planned.path if planned.blob else f"{planned.path}/__init__.py"
        return f"{self._folder}/{planned.key}/{path}"

    def _materialise(self, planned: PlannedModule) -> str:
        """Put a source where its code object says it is, its data files beside it; equal keys have equal content."""
        file = self._file(planned)
        if planned.source is not None:
            if self._writes_later and not planned.data and not planned.asks_for_files:
                self._unwritten[file] = planned.source
            else:
                _write(file, planned.source)
        self.write_data(planned)
        return file

    @contextmanager
    def loading_many(self) -> Iterator[None]:
        """Leave the sources of what is loaded meanwhile to ``write_sources``, but for code that may look for them.

        Writing thousands of small files takes longer than executing them. Until then tracebacks and ``inspect``
        read through the modules' ``__loader__``, and a place that is asked for is written first.
        """
        self._writes_later = True
        try:
            with self.origins.kept_open():
                yield
        finally:
            self._writes_later = False

    def write_sources(self, is_enough: Callable[[], bool] = lambda: False) -> None:
        """Write the sources that are not on disk yet; ends early when ``is_enough`` says so."""
        pause = Pauses()
        for file in list(self._unwritten):
            if is_enough():
                return
            self.write_source(file)
            pause()

    def write_source(self, file: str) -> None:
        """Put one source on disk now; any file name that is not of one does nothing. Raises OSError, MirrorError."""
        source = self._unwritten.get(file)
        if source is not None:
            _write(file, source)
            self._unwritten.pop(file, None)  # only now: who finds no entry finds the file

    def write_data(self, planned: PlannedModule) -> None:
        """Put a module's data files to where its source stands or will stand. Raises LivegraftError, OSError.

        The modules of a package all have its files beside them: each blob is written once and linked.
        """
        for path, blob in planned.data.items():
            file = f"{self._folder}/{planned.key}/{path}"
            if os.path.exists(file):
                continue
            kept = f"{self._folder}/data/{blob}"
            if not os.path.exists(kept):
                # They are shared: a script that writes to one must take a copy.
                _place(kept, self._planner.read(blob), mode=0o444)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with suppress(FileExistsError):  # another process was there first
                os.link(kept, file)


def _write(file: str, source: Source) -> None:
    if not os.path.exists(file):
        _place(file, source.data, mode=0o666)


def _place(file: str, data: bytes, *, mode: int) -> None:
    """Make a file that is there whole or, after a kill meanwhile, not at all."""
    os.makedirs(os.path.dirname(file), exist_ok=True)
    coming = f"{file}.{os.getpid()}.{threading.get_ident()}"
    with open(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as opened:
        opened.write(data)
    os.replace(coming, file)
