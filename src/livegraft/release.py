"""Releases: which version of every script is live, and how a plan becomes one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any, Final, NoReturn

from livegraft.catalog import ScriptFailure
from livegraft.clock import Clock
from livegraft.contract import Requirement, Requirements, first_problem
from livegraft.dependencies import Dependencies, DependenciesError, fits_python
from livegraft.environment import DescribedParameters, Environment, EnvironmentProblem, Environments, Need, Prepared
from livegraft.errors import (
    ContractError,
    LivegraftError,
    LoadError,
    NotRunnableError,
    QuarantinedError,
    SourceError,
)
from livegraft.graph import Plan, PlannedModule, Planner
from livegraft.header import Header, Isolation, ProcessLimits, line_in_block, read_header
from livegraft.installed import Installed
from livegraft.loader import Loader
from livegraft.loading import LoadThread
from livegraft.parameters import Parameters, Resources, is_plainly_fine
from livegraft.probe import NOTHING_PROBED, Probe, Probing
from livegraft.revision import Revision
from livegraft.run import RunFailure
from livegraft.source import Entry
from livegraft.store import Outcome, Restraint, ScriptOutcome, VersionRecord
from livegraft.version import Version


class ReleasePolicy(StrEnum):
    """What becomes of a commit of which a script does not load.

    ``each``: that script keeps its last good version, all others go live; ``whole``: nothing of the commit does.
    """

    EACH = "each"
    WHOLE = "whole"


@dataclass(slots=True, eq=False)
class LiveScript:
    """A script at a version that loaded, ready to run. Immutable but for ``described``, made when it is needed.

    With an ``environment`` it loaded there and not in this process, because the host's own is ``missing`` something.
    ``resources`` are the host's; ``described`` are its parameters if they were read already.
    """

    name: str
    version: Version
    header: Header
    function: Callable[..., Any]
    resources: Resources
    described: Parameters | DescribedParameters | None = None
    environment: Environment | None = None
    missing: str = ""

    @property
    def parameters(self) -> Parameters | DescribedParameters:
        if self.described is None:
            self.described = Parameters(self.function, script=self.name, resources=self.resources)
        return self.described

    @property
    def is_async(self) -> bool:
        source = self.version.planned.source
        return source is not None and source.entry is Entry.ASYNC

    @property
    def isolated(self) -> str:
        """Why its runs have processes of their own; "" when they execute in the host's."""
        if self.environment is not None:
            return f"the host's environment does not have what it asks for: {self.missing}"
        return "its header asks for it" if self.header.isolation is Isolation.PROCESS else ""

    @property
    def place(self) -> str:
        """Where its runs execute and why, in words."""
        if self.environment is not None:
            return f"each run has a process of an environment of its own: {self.isolated}"
        has = "the host's environment has what its block asks for" if self.header.dependencies else ""
        if self.isolated:
            return f"each run has a process of its own: {self.isolated}{f'; {has}' if has else ''}"
        return f"in the host's process{f': {has}' if has else ''}"

    @property
    def description(self) -> str:
        """The header's, else the docstring's first line."""
        source = self.version.planned.source
        return self.header.description or (source.docstring.partition("\n")[0] if source else "")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Release:
    """What is live, switched as one. Immutable but for ``modules`` and ``namespace``, which grow.

    ``scripts`` are by name; ``failures`` say why the newest version of a script, or of a module that the
    host called or requires, is not live, by path without ``.py``; ``modules`` are these modules, by dotted name;
    ``namespace`` holds what was read through ``supervisor.live`` so far.
    """

    revision: Revision
    plan: Plan
    scripts: Mapping[str, LiveScript]
    failures: Mapping[str, ScriptFailure]
    modules: dict[str, Version] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=dict)

    def roots(self) -> Iterator[Version]:
        """The versions that the release itself names; others are live because these import them."""
        yield from (script.version for script in self.scripts.values())
        yield from self.modules.values()


def failed_outcome(name: str, failure: ScriptFailure) -> ScriptOutcome:
    """What is told of a script whose newest version is not live."""
    outcome = Outcome.PREPARING if failure.is_pending else Outcome.FAILED
    return ScriptOutcome(name, outcome, failure.key, failure.failure)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release that is built and not yet live, and what it does: scripts that stay as they are not listed.

    ``were_live`` are versions of it, by script and key, that were live before, in an earlier process perhaps.
    """

    release: Release
    outcomes: tuple[ScriptOutcome, ...]
    were_live: Collection[tuple[str, str]]


_AT_ONCE: Final = 64
"""Scripts in one hand-over to the loader thread: one for each would cost more than loading most of them."""


@dataclass(frozen=True, slots=True)
class _Arriving:
    """A script of the plan whose version is to be loaded; ``live`` is kept if that fails."""

    name: str
    module: PlannedModule
    live: LiveScript | None
    load: Callable[[], LiveScript]


class _Build:
    """A release in the making, beginning with the one before."""

    def __init__(
        self,
        plan: Plan,
        before: Release | None,
        pins: Mapping[str, Restraint],
        failures: Mapping[str, ScriptFailure],
    ) -> None:
        self.plan = plan
        self.before = before
        self.pins = pins
        self.probing: Probing = NOTHING_PROBED
        self.were_live: Collection[tuple[str, str]] = ()
        self.scripts: dict[str, LiveScript] = dict(before.scripts) if before else {}
        self.failures: dict[str, ScriptFailure] = dict(failures)
        self.outcomes: list[ScriptOutcome] = []
        self.arriving: list[_Arriving] = []
        self.modules: dict[str, Version] = {}
        # (name, key) of what breaks the host's requirements -> how: whoever imports it is refused too.
        self.refused: dict[tuple[str, str], ScriptFailure] = {}

    def names(self, whole: bool) -> Collection[str]:
        """The modules to look at, by dotted name."""
        if not whole and self.before is not None and self.before.plan.revision.id == self.plan.follows:
            return sorted(self.plan.changed)
        gone = (script.replace("/", ".") for script in {*self.scripts, *self.failures})
        return sorted({*self.plan.modules, *gone})

    def put(self, script: LiveScript) -> None:
        self.scripts[script.name] = script
        self.failures.pop(script.name, None)
        self.outcomes.append(ScriptOutcome(script.name, Outcome.LOADED, script.version.key))

    def fail(self, name: str, failure: ScriptFailure, kept: LiveScript | None) -> None:
        self.failures[name] = failure
        self.outcomes.append(failed_outcome(name, failure))
        if kept is not None:
            self.scripts[name] = kept

    def serving(self, name: str) -> Version | None:
        """The version of a module, or of a script by this dotted name, that the release before has."""
        if self.before is None:
            return None
        script = self.before.scripts.get(name.replace(".", "/"))
        return script.version if script is not None else self.before.modules.get(name)

    def put_module(self, name: str, version: Version) -> None:
        """A module that the host called or requires is as it must be."""
        script, before = name.replace(".", "/"), self.serving(name)
        self.modules[name] = version
        self.scripts.pop(script, None)  # it may have been one
        if self.failures.pop(script, None) is not None or before is not version:
            self.outcomes.append(ScriptOutcome(script, Outcome.LOADED, version.key))

    def fail_module(self, name: str, failure: ScriptFailure, kept: Version | None) -> None:
        script = name.replace(".", "/")
        self.failures[script] = failure
        self.outcomes.append(ScriptOutcome(script, Outcome.FAILED, failure.key, failure.failure))
        self.keep_module(name, kept)

    def keep_module(self, name: str, kept: Version | None) -> None:
        """Go on serving the host's calls; as a script it is gone if the repository says so."""
        self.scripts.pop(name.replace(".", "/"), None)
        if kept is not None:
            self.modules[name] = kept

    def refuse(self, name: str, failure: ScriptFailure) -> None:
        """Let nothing go live that imports this, if it loads but breaks what the host requires."""
        if failure.failure.type == ContractError.code:
            self.refused[name, failure.key] = failure

    def refusal(self, module: PlannedModule) -> ScriptFailure | None:
        """Why a module must not go live although it may load: something that it comes to is refused."""
        if not self.refused:
            return None
        found = (self.refused.get((each.name, each.key)) for each in module.reach().values())
        return next((replace(failure, key=module.key) for failure in found if failure is not None), None)

    def remove(self, name: str) -> None:
        was_live, had_failed = self.scripts.pop(name, None), self.failures.pop(name, None)
        if was_live is not None or had_failed is not None:
            self.outcomes.append(ScriptOutcome(name, Outcome.REMOVED))


class ReleaseBuilder:
    """Makes the release of a plan: loads the keys that are new, keeps the last good version of what fails.

    ``requirements`` are the host's. ``last_good`` gives the version of a script, or of a required module, that was
    live last, of an earlier process perhaps; ``were_live`` tells which versions of scripts were live once. ``probe``
    is asked about what is new before it is loaded; ``environments`` make what scripts ask for and the host has not.
    """

    def __init__(
        self,
        *,
        loader: Loader,
        load_thread: LoadThread,
        planner: Planner,
        resources: Resources,
        requirements: Requirements,
        clock: Clock,
        installed: Installed,
        last_good: Callable[[str], VersionRecord | None],
        were_live: Callable[[Iterable[tuple[str, str]]], Collection[tuple[str, str]]],
        probe: Probe,
        limits: ProcessLimits,
        environments: Environments,
    ) -> None:
        self._loader = loader
        self._load_thread = load_thread
        self._planner = planner
        self._resources = resources
        self._requirements = requirements
        self._clock = clock
        self._installed = installed
        self._dependencies = Dependencies(installed, environments.advice)
        self._environments = environments
        self._last_good = last_good
        self._were_live = were_live
        self._probe = probe
        self._limits = limits

    def build(
        self,
        plan: Plan,
        before: Release | None,
        pins: Mapping[str, Restraint],
        *,
        failures: Mapping[str, ScriptFailure] | None = None,
        whole: bool = False,
    ) -> Candidate:
        """Load what the plan has anew beside what is live; nothing is switched yet. Never raises for a script.

        Only what the plan changes is looked at, unless it does not follow the release before, or ``whole`` is
        asked for because pins changed. ``failures`` are what is known not to load; default: those of the release
        before.
        """
        if failures is None:
            failures = before.failures if before else {}
        work = _Build(plan, before, pins, failures)
        names, required = work.names(whole), self._requirements.modules
        # Verdicts come while modules that have one are loaded already.
        probing = closing(self._begin_probe(plan, self._unproven(names, work)))
        with probing as work.probing, self._loader.loading_many():
            for name in required:
                self._place_required(name, work)
            called = before.modules if before else {}
            for name in names:
                planned = plan.modules.get(name)
                is_called = name in required or (name in called and planned is not None)
                if not is_called or (planned is not None and planned.is_script):
                    self._place(name, work)
                if len(work.arriving) == _AT_ONCE:
                    self._load_arriving(work)
            self._load_arriving(work)
            self._reload_modules(work)
        self._loader.forget_failed(plan)
        self._environments.forget_failed(plan)
        release = Release(plan.revision, plan, work.scripts, work.failures, work.modules)
        return Candidate(release, tuple(work.outcomes), work.were_live)

    def forget_failures(self, plan: Plan, scripts: Iterable[str]) -> None:
        """Have what failed of these be executed by the next build."""
        for script in scripts:
            module = plan.modules.get(script.replace("/", "."))
            if module is not None:
                self._loader.forget_failures(module)

    def build_nothing(self, plan: Plan, error: QuarantinedError) -> Release:
        """A release of a plan of which nothing is loaded: every script says why."""
        revision, now, failure = plan.revision, self._clock.now(), RunFailure(error.code, error.reason)
        return Release(
            revision,
            plan,
            {},
            {
                each.script: ScriptFailure(
                    revision.id, revision.author, now, replace(failure, path=each.path), each.key
                )
                for each in plan.modules.values()
                if each.is_script
            },
        )

    def _begin_probe(self, plan: Plan, modules: Sequence[PlannedModule]) -> Probing:
        # The child cannot read the mirror: what the code reads beside itself must be there before.
        pending, seen = list(modules), set(modules)
        while pending:
            module = pending.pop()
            with suppress(LivegraftError, OSError):  # the loader's own try will tell
                self._loader.write_data(module)
            fresh = [imported for imported in module.imports.values() if imported not in seen]
            pending += fresh
            seen.update(fresh)
        return self._probe.begin(plan, modules)

    def _unproven(self, names: Collection[str], work: _Build) -> Sequence[PlannedModule]:
        """What is about to be executed and never was, here or in an earlier process, in the order of loading."""
        modules = work.plan.modules
        scripts = [module for name in names if (module := modules.get(name)) and self._is_coming(module, work)]
        work.were_live = self._were_live((module.script, module.key) for module in scripts)
        fresh = [module.name for module in scripts if (module.script, module.key) not in work.were_live]
        called = work.before.modules if work.before else ()
        # A set in order: what the host requires is loaded first, what it called last.
        wanted = dict.fromkeys([*self._requirements.modules, *fresh, *called])
        coming = [modules[name] for name in wanted if name in modules]
        return [module for module in coming if not self._is_known(module) and _can_be_read(module)]

    def _is_coming(self, module: PlannedModule, work: _Build) -> bool:
        """Whether ``_place`` is going to execute a script of this plan."""
        if not module.is_script or module.script in work.pins:
            return False
        failed = work.failures.get(module.script)
        if failed is not None and failed.key == module.key and not self._may_load_now(failed):
            return False
        if module.source is not None and "# /// script" in module.source.head:  # most have none: a header costs time
            try:
                return self._missing(module, _checked(module)) is None
            except LivegraftError:
                return False
        return True

    def _is_known(self, module: PlannedModule) -> bool:
        """Whether a module is here, or failed at this key: then it is not executed."""
        version = self._loader.find(module.name, module.key)
        return version is not None and (version.loaded_at is not None or version.failure is not None)

    def _place_required(self, name: str, work: _Build) -> None:
        """See whether a module is as the host requires, before anything that imports it is loaded.

        One that is a script is placed as such afterwards: here it is only learnt whether its code may go live.
        """
        module, live = work.plan.modules.get(name), work.serving(name)
        key = module.key if module is not None else ""
        is_script = module is not None and module.is_script
        failed = work.failures.get(name.replace(".", "/"))
        if failed is not None and failed.key == key:  # it is not tried again until the key changes
            work.refuse(name, failed)
            if not is_script:
                work.keep_module(name, live)
            return
        try:
            version = live if live is not None and live.key == key else self._load_required(name, module, work)
        except LivegraftError as error:
            failed = self._failure(name, module, work.plan.revision, error)
            work.refuse(name, failed)
            if not is_script:
                work.fail_module(name, failed, live or self._last_good_module(name, key))
        else:
            if not is_script:
                work.put_module(name, version)

    def _load_required(self, name: str, module: PlannedModule | None, work: _Build) -> Version:
        if module is None:
            raise self._requirements.absent(name, work.plan.revision)
        return self._load_module(module, work.plan, work.probing)

    def write_sources(self, is_enough: Callable[[], bool]) -> None:
        """Put the sources of what was loaded on disk, now that it is live; ends early when ``is_enough`` says so."""
        self._loader.write_sources(is_enough)

    def check_live(self, requirements: Sequence[Requirement], release: Release) -> None:
        """See whether what is live is as the host begins to require; load it if it is not here.

        Raises ContractError and LoadError; then nothing is required.
        """
        for requirement in requirements:
            name = requirement.module
            script, planned = release.scripts.get(name.replace(".", "/")), release.plan.modules.get(name)
            version = script.version if script is not None else release.modules.get(name)
            if version is None:
                if planned is None:
                    raise requirement.absent(release.revision)
                version = release.modules[name] = self.load_module(planned, release.plan)
            self._load_thread.call(partial(_check, (requirement,), version, release.revision), version.path)

    def _place(self, name: str, work: _Build) -> None:
        """Decide which version of a script the release has, and load it if it is not here."""
        module = work.plan.modules.get(name)
        script = name.replace(".", "/")
        if module is None or not module.is_script:
            work.remove(script)
            return
        pin, live, failed = work.pins.get(script), work.scripts.get(script), work.failures.get(script)
        if live is not None and live.version.key == (pin.key if pin else module.key):
            work.failures.pop(script, None)
            return
        failed = work.refusal(module) or failed if pin is None else failed
        if failed is None or failed.key != module.key or self._may_load_now(failed):
            # Else it is not tried again until the key changes.
            try:
                planned, plan = self._pinned(module, pin) if pin else (module, work.plan)
                load = self._way_to_load(planned, plan, work.probing if pin is None else NOTHING_PROBED)
                work.arriving.append(_Arriving(name, module, live, load))
                return
            except LivegraftError as error:
                failed = self._failure(name, module, work.plan.revision, error)
        work.fail(script, failed, live or self._load_last_good(script, module))

    def _load_arriving(self, work: _Build) -> None:
        """Load the scripts that were found to be new, all in one hand-over to the loader thread."""
        arriving, work.arriving = work.arriving, []
        ended = self._load_thread.call_each([(each.load, each.module.path) for each in arriving])
        for each, load in zip(arriving, ended, strict=True):
            try:
                work.put(load.result())
            except LivegraftError as error:
                failed = self._failure(each.name, each.module, work.plan.revision, error)
                script = each.module.script
                work.fail(script, failed, each.live or self._load_last_good(script, each.module))

    def may_mend(self, failures: Iterable[ScriptFailure]) -> bool:
        """Whether packages were installed or changed since something failed for want of them."""
        waiting = [failed for failed in failures if failed.generation is not None or failed.awaits is not None]
        if waiting:
            self._installed.look(at_once=True)
        return any(map(self._may_load_now, waiting))

    def _may_load_now(self, failed: ScriptFailure) -> bool:
        if failed.awaits is not None and self._environments.has_news(failed.awaits):
            return True
        return failed.generation is not None and failed.generation != self._installed.generation

    def load_module(self, module: PlannedModule, plan: Plan) -> Version:
        """Load a module that the host calls. Raises LoadError, ContractError if it is not as the host requires."""
        unproven = [] if self._is_known(module) or not _can_be_read(module) else [module]
        with closing(self._begin_probe(plan, unproven)) as probing:
            return self._load_module(module, plan, probing)

    def _load_module(self, module: PlannedModule, plan: Plan, probing: Probing) -> Version:
        if module.fault is not None:
            raise LoadError(module.fault.path, module.fault.line, module.fault.reason)
        _check_probed(module, probing)

        def load() -> Version:
            version = self._loader.load(module, plan)
            _check(self._requirements.of(module.name), version, plan.revision)
            return version

        return self._load_thread.call(load, module.path)

    def _load(self, module: PlannedModule, plan: Plan) -> LiveScript:
        return self._load_thread.call(self._way_to_load(module, plan, NOTHING_PROBED), module.path)

    def _way_to_load(self, module: PlannedModule, plan: Plan, probing: Probing) -> Callable[[], LiveScript]:
        """How a script is loaded: here, or as its environment describes it. Raises LivegraftError if it cannot be."""
        header = _checked(module)
        missing = self._missing(module, header)
        if missing is None:
            _check_probed(module, probing)
            return partial(self._make, module, plan, header)
        # What the host calls must be here; and environments have this interpreter.
        if module.name in self._requirements.modules or not fits_python(header):
            raise missing
        need = Need.of(header.dependencies)
        memory = header.limits.within(self._limits).memory_bytes
        prepared = self._environments.prepare(module, plan, need, missing, memory_bytes=memory)
        return partial(self._make_elsewhere, module, plan, header, prepared, missing.reason)

    def _missing(self, module: PlannedModule, header: Header) -> LoadError | None:
        """What the host's environment does not have of what a script asks for."""
        try:
            asks = header.dependencies or header.requires_python is not None
            if asks and module.source is not None:  # most ask for nothing: then its text need not be decoded again
                self._dependencies.check(module.path, module.source.text, header)
        except DependenciesError as missing:
            return missing.again()  # without the frames of the one that was raised
        return None

    def _make_elsewhere(
        self, module: PlannedModule, plan: Plan, header: Header, prepared: Prepared, missing: str
    ) -> LiveScript:
        version = self._loader.stand_in(module, plan)
        script = LiveScript(
            module.script,
            version,
            header,
            _not_here,
            self._resources,
            prepared.parameters,
            prepared.environment,
            missing,
        )
        _check_header_fits(module, script, self._limits)
        return script

    def _make(self, module: PlannedModule, plan: Plan, header: Header) -> LiveScript:
        version = self._loader.load(module, plan)
        _check(self._requirements.of(module.name), version, plan.revision)
        function = getattr(version.executed_module, "run", None)
        if not callable(function):
            raise LoadError(module.path, 0, f"expected run to be a function, got: {type(function).__name__}")
        script = LiveScript(module.script, version, header, function, self._resources)
        if not is_plainly_fine(function, self._resources):
            _ = script.parameters  # what is wrong with them is known before it is live
        _check_header_fits(module, script, self._limits)
        version.attachment = script
        return script

    def _pinned(self, module: PlannedModule, pin: Restraint) -> tuple[PlannedModule, Plan]:
        plan = self._planner.at(pin.revision)
        pinned = plan.modules.get(module.name)
        if pinned is None or pinned.key != pin.key:
            raise LoadError(module.path, 0, f"the pinned version {pin.key[:8]} cannot be made from {pin.revision[:8]}")
        return pinned, plan

    def load_again(self, name: str, key: str, revision: str) -> LiveScript:
        """A version that was live once, loaded beside what is live. Raises NotFoundError, LivegraftError."""
        plan = self._planner.at(revision)
        planned = plan.modules.get(name.replace("/", "."))
        if planned is None or planned.key != key:
            raise LoadError(f"{name}.py", 0, f"the version {key[:8]} cannot be made from {revision[:8]}")
        return self._load(planned, plan)

    def _load_last_good(self, name: str, module: PlannedModule) -> LiveScript | None:
        """The version that an earlier process had live, when this one starts on a commit that broke it."""
        good = self._last_good(name)
        if good is None or good.key == module.key:
            return None
        try:
            plan = self._planner.at(good.revision)
            planned = plan.modules.get(module.name)
            return self._load(planned, plan) if planned is not None and planned.key == good.key else None
        except LivegraftError:
            return None

    def _last_good_module(self, name: str, key: str) -> Version | None:
        """As ``_load_last_good``, for a module that the host requires."""
        good = self._last_good(name.replace(".", "/"))
        if good is None or good.key == key:
            return None
        try:
            plan = self._planner.at(good.revision)
            planned = plan.modules.get(name)
            if planned is None or planned.key != good.key:
                return None
            return self._load_module(planned, plan, NOTHING_PROBED)
        except LivegraftError:
            return None

    def _reload_modules(self, work: _Build) -> None:
        """The modules that the host called, at this plan; one that fails stays as it was, and that is told."""
        for name, version in work.before.modules.items() if work.before else ():
            planned = work.plan.modules.get(name)
            if planned is None or planned.is_script or name in work.modules:
                continue
            known = work.failures.get(name.replace(".", "/"))
            if planned.key == version.key:
                work.put_module(name, version)
            elif known is not None and known.key == planned.key:  # it is not tried again until the key changes
                work.keep_module(name, version)
            else:
                self._renew_module(planned, version, work)

    def _renew_module(self, planned: PlannedModule, version: Version, work: _Build) -> None:
        failed = work.refusal(planned)
        if failed is None:
            try:
                work.put_module(planned.name, self._load_module(planned, work.plan, work.probing))
                return
            except LivegraftError as error:
                failed = self._failure(planned.name, planned, work.plan.revision, error)
        work.fail_module(planned.name, failed, version)

    def _failure(
        self, name: str, module: PlannedModule | None, revision: Revision, error: LivegraftError
    ) -> ScriptFailure:
        # Where it was raised a name may still stand for it: a cycle, which would keep every frame on the way here,
        # and with them what else was loaded, until the host's next collection.
        error.__traceback__ = None
        path = module.path if module is not None else f"{name.replace('.', '/')}.py"
        key = module.key if module is not None else ""
        waits = isinstance(error, DependenciesError | EnvironmentProblem)
        return ScriptFailure(
            revision.id,
            revision.author,
            self._clock.now(),
            run_failure(error, path),
            key,
            self._installed.generation if waits else None,
            error.ticket if isinstance(error, EnvironmentProblem) else None,
        )


def _check(requirements: Sequence[Requirement], version: Version, revision: Revision) -> None:
    """Raise ContractError if a loaded module is not as the host requires. Runs on the loader thread."""
    problem = first_problem(requirements, version.executed_module, revision, version.path)
    if problem is not None:
        raise problem


def _not_here(**arguments: object) -> NoReturn:
    raise NotRunnableError("expected a process of the script's environment, this is the host's")


def _check_header_fits(module: PlannedModule, script: LiveScript, policy: ProcessLimits) -> None:
    """Raise LoadError, with its line, for what a header says that the signature of ``run`` or the policy forbids."""
    header, missing = script.header, script.missing
    for limit in header.limits.wider_than(policy):
        reason = f"expected {limit} to be at most what the host allows (process_limits), got: {header.given[limit]!r}"
        raise LoadError(module.path, _line_of(limit, module), reason)
    if (header.isolation is Isolation.PROCESS or missing) and script.parameters.provided:
        asked = ", ".join(sorted(script.parameters.provided))
        wants = f"needs an environment of its own ({missing})" if missing else "for isolation = 'process'"
        reason = f"asks for {asked} of the host and {wants}, which objects of the host cannot come to"
        line = _line_of("dependencies" if missing else "isolation", module)
        raise LoadError(module.path, line, reason)
    key = header.concurrency.key if header.concurrency is not None else ""
    if key and key not in script.parameters.names:
        known = ", ".join(sorted(script.parameters.names)) or "none"
        reason = f"expected the key of concurrency to be a parameter ({known}), got: {key!r}"
        raise LoadError(module.path, _line_of("concurrency", module), reason)


def _line_of(key: str, module: PlannedModule) -> int:
    return line_in_block(module.path, module.source.text, key) if module.source is not None else 0


def run_failure(error: LivegraftError, path: str) -> RunFailure:
    """A fault of loading, as records and pages show it."""
    if isinstance(error, LoadError):
        return RunFailure(error.code, error.reason, error.path, error.line, error.text)
    if isinstance(error, SourceError):
        return RunFailure(error.code, error.reason, error.path, error.line)
    return RunFailure(error.code, str(error), path)


def _can_be_read(module: PlannedModule) -> bool:
    return module.fault is None


def _check_probed(module: PlannedModule, probing: Probing) -> None:
    """Raises LoadError when the probe refuses a module."""
    refusal = probing.refusal(module)
    if refusal is not None:
        raise refusal


def _checked(module: PlannedModule) -> Header:
    """The header of a script all of whose files can be parsed; SourceError with the place otherwise."""
    assert module.source is not None  # noqa: S101 - a script has a source
    if module.fault is not None:
        raise module.fault.again()
    return read_header(module.path, module.source.head)
