"""The supervisor: the one place that wires everything, starts it in order and stops it in reverse."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from inspect import Signature, iscoroutinefunction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from livegraft import archive, process, threads
from livegraft.artifact_files import Artifacts
from livegraft.backfill import Backfill, MissingSlot
from livegraft.bars import Progress
from livegraft.breaker import Breaker
from livegraft.calls import Calls
from livegraft.catalog import (
    Forecast,
    Imports,
    LiveVersion,
    Refusal,
    ScriptStatus,
    SyncReport,
    SyncStatus,
    VersionStatus,
)
from livegraft.clock import Clock, SystemClock
from livegraft.code_cache import CodeCache
from livegraft.compiling.processes import read_all
from livegraft.contract import Requirement, Requirements, Shape, of_kind, requirements_of, split_target
from livegraft.crash_points import crash_point
from livegraft.crashes import Crashes
from livegraft.decisions import LIVEGRAFT, Decisions
from livegraft.directory import Directory
from livegraft.dispatcher import Dispatcher
from livegraft.drainer import Decision, Drainer, DrainPolicy
from livegraft.environment import EnvironmentPolicy, Environments, NoEnvironments
from livegraft.errors import (
    ArgumentsError,
    BusyError,
    ConfigurationError,
    ConflictError,
    LoadError,
    MirrorError,
    NotFoundError,
    StoreError,
)
from livegraft.events import Events
from livegraft.graph import Planner
from livegraft.handout import Look
from livegraft.header import Keep, ProcessLimits, read_limits
from livegraft.history_watch import HistoryWatch
from livegraft.import_errors import describe_import
from livegraft.installed import Installed, PackageChange
from livegraft.isolation.preparer import Preparer
from livegraft.isolation.processes import Processes
from livegraft.isolation.runner import ProcessRunner, sweep
from livegraft.isolation.uv import UvBuilder, find_uv
from livegraft.live import finder
from livegraft.loader import Loader
from livegraft.loading import LoadThread
from livegraft.locks import LockChange
from livegraft.mirror import Mirror
from livegraft.mirror.git import GitMirror
from livegraft.offers import Offer, Offers
from livegraft.onlooker.process import OnlookerProcess
from livegraft.overview import Overview, live_version
from livegraft.parameters import Resources
from livegraft.probe import NoProbe, Probe
from livegraft.probe.warm import WarmProbe
from livegraft.pruner import Pruner
from livegraft.recall import Recaller
from livegraft.recovery import Recovery
from livegraft.release import LiveScript, Release, ReleaseBuilder, ReleasePolicy
from livegraft.replicas import Replicas
from livegraft.retention import Trimmer, read_policy
from livegraft.rollbacks import RollBacks
from livegraft.run import RunRecord, RunResult, RunState, Trigger
from livegraft.run_handle import Run
from livegraft.run_history import RunHistory
from livegraft.runner import leftovers
from livegraft.runner.marks import Mark
from livegraft.runner.output import OutputChunk
from livegraft.runner.watchdog import MOST_STALLS, Stall, left, watchdog
from livegraft.shared_data import SharedSpace
from livegraft.snapshot import Skipped
from livegraft.store import (
    FIRST_SCRIPTS,
    AuditFilter,
    AuditFound,
    AuditRecord,
    GivenArguments,
    Outcome,
    ReleaseRecord,
    ReplicaRecord,
    Restraint,
    RestraintKind,
    ScriptOutcome,
    SharedName,
    SharedValue,
    SlotCause,
    SlotPlace,
    SlotRecord,
    SlotState,
    SlotTally,
    Store,
    VersionRecord,
)
from livegraft.store.opening import open_store
from livegraft.syncer import Syncer
from livegraft.threads import LoopStatus, ThreadStatus
from livegraft.ticker import ComingSlot
from livegraft.timetable import SlotPolicy, Timetable
from livegraft.uploads import Uploads
from livegraft.version import Version, VersionState
from livegraft.work import Work
from livegraft.works import Works

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 10_000
"""How many runs may wait for their time or their script."""

LAST_SLOTS: Final = 20
OUTLASTING: Final = 2
"""At so many of its last due times a script was still going when it is said that its runs outlast their interval."""

E = TypeVar("E", bound=StrEnum)


class Supervisor:
    """Keeps the scripts of a repository live in this process.

    ``repository`` is a local path, an https or an ssh address; ``data`` is a folder of ours for the
    mirror, the history and the token (default ``livegraft-data``). ``store`` is the address of a PostgreSQL
    database for the history, in place of a SQLite file there (default: LIVEGRAFT_STORE). ``provide`` are the host's
    live objects, offered to scripts by name and type. ``poll_seconds`` is the pause between two looks at the
    repository (default 5; a local one is watched as well). ``import_seconds`` bounds the import of
    a version (default 10). With ``accept_rewritten`` a branch whose history was rewritten is
    followed without asking. ``git_token`` authenticates https fetches (default: LIVEGRAFT_GIT_TOKEN).
    With ``release="whole"`` a commit goes live only if all of it loads (default ``"each"``: what loads goes live).
    With ``tick=False`` schedules are shown and do not fire. Slots that were missed are caught up, if their script
    wants it, within ``missed_window_seconds`` (default 7 days) and at most ``missed_limit`` (100); of slots that wait
    behind a run there are at most ``overlap_limit`` (10) for each script. ``mirror`` takes the place of the repository.
    ``drain_seconds`` (default 300) after it was superseded, ``drain_policy`` decides about a version that is still
    in use or held: ``wait`` (default), ``cancel`` its runs, tasks and threads, or ``scrub`` its globals as well.
    With ``probe=False`` new versions are not imported in a child process first; ``probe_memory_bytes`` is what
    an import may use there (default 1 GiB). After ``breaker_failures`` runs in a row that failed (default 5; 0: never)
    a script is quarantined, until a person releases it or another version of it goes live. A process that dies within
    ``settle_seconds`` of a switch (default 60; 0: no death is judged) is followed by one with the last good release,
    and that, if it dies too, by one in safe mode, in which no code of scripts is loaded; ``safe`` starts in it.
    When it is left, runs under way may end for ``stop_seconds`` (default 30) and are cancelled then.
    ``keep`` is how much of the history is kept: of each script at most, by the keys that headers have (``age``,
    ``runs``, ``size``; default 90 days, 10,000 runs, 1 GiB), ``releases`` (1,000) and the age of the ``audit``.
    With ``environments`` (default) and ``uv`` a script that needs packages which the host does not have is isolated in
    an environment that is made for it: from ``package_index``, an address or a folder of wheels (default: as ``uv`` is
    set up), with ``wheels_only`` (default) without building any, with ``hashes`` (default) only as they were locked.

    Use it as a context manager: entering starts it and takes the newest commit; a repository that
    cannot be read then is no error but a state (``sync_status``). It takes no signal handler, and
    several can live in one process. Raises ConfigurationError and StoreError on entering.
    """

    def __init__(
        self,
        repository: str | Path,
        *,
        branch: str = "main",
        data: str | Path = "livegraft-data",
        store: str = "",
        provide: Mapping[str, object] | None = None,
        poll_seconds: float = 5.0,
        import_seconds: float = 10.0,
        accept_rewritten: bool = False,
        git_token: str | None = None,
        release: ReleasePolicy | str = ReleasePolicy.EACH,
        tick: bool = True,
        missed_window_seconds: float = 7 * 86_400.0,
        missed_limit: int = 100,
        overlap_limit: int = 10,
        drain_seconds: float = 300.0,
        drain_policy: DrainPolicy | str = DrainPolicy.WAIT,
        probe: bool = True,
        probe_memory_bytes: int = 1 << 30,
        breaker_failures: int = 5,
        settle_seconds: float = 60.0,
        safe: bool = False,
        stop_seconds: float = 30.0,
        process_limits: Mapping[str, object] | None = None,
        keep: Mapping[str, object] | None = None,
        environments: bool = True,
        package_index: str = "",
        wheels_only: bool = True,
        hashes: bool = True,
        mirror: Mirror | None = None,
        clock: Clock | None = None,
    ) -> None:
        # What is text or an object may be secret, or have a secret in it.
        self.settings: Mapping[str, bool | float] = {
            name: value for name, value in locals().items() if isinstance(value, bool | int | float)
        }
        policy = _choice(ReleasePolicy, release, "release")  # before anything is opened
        drain = _choice(DrainPolicy, drain_policy, "drain_policy")
        limits = _limits(process_limits)
        keep_policy = read_policy(keep or {})
        slots = SlotPolicy(missed_window_seconds, missed_limit, overlap_limit)
        self.data = Path(data).absolute()
        self.clock: Clock = clock or SystemClock()
        self.events = Events()
        make_data_folder(self.data)
        self._tick = tick
        self._stalls: deque[Stall] = deque(maxlen=MOST_STALLS)
        self._mirror: Mirror = mirror or GitMirror(
            str(repository),
            branch=branch,
            folder=self.data / "mirror.git",
            token=git_token or os.environ.get("LIVEGRAFT_GIT_TOKEN"),
        )
        self.address, self.branch = self._mirror.address, self._mirror.branch
        self.store: Store = open_store(store or os.environ.get("LIVEGRAFT_STORE", ""), self.data)
        self.identity = process.take_identity()
        self._pid = os.getpid()
        self._decisions = Decisions(store=self.store, clock=self.clock)
        self.shared = SharedSpace(
            ledger=self.store.shared, clock=self.clock, process=process.identity(), is_alive=process.is_alive
        )
        self._crashes = Crashes(
            store=self.store,
            decisions=self._decisions,
            clock=self.clock,
            folder=self.data / "crashes",
            settle_seconds=settle_seconds,
            is_loaded=lambda name, key: bool((found := self._loader.find(name, key)) and found.loaded_at),
        )
        self._begins_safe = safe
        self._stop_seconds = stop_seconds
        self._release: Release | None = None
        self._requirements = Requirements()
        planner = self._planner = Planner(
            read=self._mirror.read,
            read_many=self._mirror.read_many,
            cache=CodeCache(self.data / "code"),
            read_all=read_all,
            snapshot=lambda revision: self._mirror.snapshot(self._mirror.revision(revision)),
        )
        self._installed = Installed()
        self._loader = Loader(
            planner=planner,
            folder=self.data / "sources",
            clock=self.clock,
            describe=lambda error, version: describe_import(error, version, self._loader.locate, planner),
            offered={"shared": self.shared},
            marker=self._crashes.marker,
            refusal=self._crashes.refusal_to_load,
        )
        self._load_thread = LoadThread(loader=self._loader, deadline_seconds=import_seconds)
        self._output_folder = self.data / "output"
        self._output_folder.mkdir(exist_ok=True, mode=0o700)
        self.artifacts = Artifacts(self.data / "artifacts")
        self._uploads = Uploads(self.data / "uploads")
        self._offers = Offers()
        if breaker_failures < 0:
            raise ConfigurationError(f"expected breaker_failures to be at least 0, got: {breaker_failures}")
        self._breaker = Breaker(
            failures=breaker_failures, store=self.store, decisions=self._decisions, changed=self._tell_quarantine
        )
        self._recovery = Recovery(
            runs=self.store.runs,
            clock=self.clock,
            output_folder=self._output_folder,
            scratch=self.data / "runs",
            restart=self._restart,
            suspicion=self._crashes.suspicion,
        )
        self._replicas = Replicas(
            store=self.store,
            clock=self.clock,
            identity=self.identity,
            revision=lambda: self._release.revision.id if self._release else "",
            bury=self._bury,
            learn=self._learn,
        )
        self._processes = Processes(folder=self._loader.folder, links=self.data / "links")
        packages = EnvironmentPolicy(
            package_index or os.environ.get("LIVEGRAFT_PACKAGE_INDEX", ""), wheels_only, hashes
        )
        self._environments = self._own_environments(packages if environments else None, provide or {}, import_seconds)
        self._dispatcher = Dispatcher(
            runs=self.store.runs,
            clock=self.clock,
            events=self.events,
            live_work=lambda name: self._works.live(name),
            identity=self.identity,
            ready=lambda: self._release is not None and not self.safe_mode,
            ended=self._run_ended,
            marker=self._crashes.marker,
            isolation=ProcessRunner(
                processes=self._processes,
                scratch=self.data / "runs",
                uploads=self._uploads.folder,
                prepare=self._loader.write_data,
            ),
            output_folder=self._output_folder,
            artifacts=self.artifacts,
            uploads=self._uploads,
        )
        self._drainer = Drainer(
            loader=self._loader,
            clock=self.clock,
            events=self.events,
            runs_of=self._runs_of,
            cancel_run=self._cancel_superseded,
            policy=drain,
            deadline_seconds=drain_seconds,
            decided=self._write_decision,
        )
        if probe_memory_bytes < 1:
            raise ConfigurationError(f"expected probe_memory_bytes to be at least 1, got: {probe_memory_bytes}")
        self._probe: Probe = NoProbe()
        if probe:
            self._probe = WarmProbe(
                folder=self.data / "sources",
                prepare=self._loader.write_data,
                deadline_seconds=import_seconds,
                memory_bytes=probe_memory_bytes,
            )
        self._pruner = Pruner(
            folder=self.data / "sources",
            loaded=self._keys_in_use,
            more=self._prune_files,
        )
        self._history_watch = HistoryWatch(store=self.store, told=lambda: self.events.emit("sync", "history"))
        self._trimmer = Trimmer(
            ledger=self.store.retention,
            artifacts=self.artifacts,
            clock=self.clock,
            policy=keep_policy,
            keep_of=self._keep_of,
        )
        self._recaller = Recaller(
            loader=self._loader,
            load_thread=self._load_thread,
            planner=planner,
            drainer=self._drainer,
            roots=lambda: self._release.roots() if self._release else (),
        )
        self._builder = ReleaseBuilder(
            loader=self._loader,
            load_thread=self._load_thread,
            planner=planner,
            resources=Resources(provide),
            requirements=self._requirements,
            clock=self.clock,
            installed=self._installed,
            last_good=lambda name: next(iter(self.store.releases.versions(name, limit=1)), None),
            were_live=self.store.releases.were_live,
            probe=self._probe,
            limits=limits,
            environments=self._environments,
        )
        self._calls = Calls(
            release=lambda: None if self.safe_mode else self._release, builder=self._builder, drainer=self._drainer
        )
        self.live = self._calls.live
        self._works = Works(
            release=lambda: self._release,
            safe_mode=lambda: self.safe_mode,
            status=lambda name: self._overview.script(name),
            decisions=self._decisions,
            builder=self._builder,
            loader=self._loader,
            planner=planner,
            limits=limits,
        )
        self._timetable = Timetable(
            release=lambda: self._release,
            safe_mode=lambda: self.safe_mode,
            decisions=self._decisions,
            works=self._works,
            dispatcher=self._dispatcher,
            store=self.store,
            clock=self.clock,
            events=self.events,
            policy=slots,
        )
        self._backfill = Backfill(
            slots=self.store.slots,
            dispatcher=self._dispatcher,
            clock=self.clock,
            live_work=self._works.live,
            wake=self._timetable.wake,
        )
        self._syncer = Syncer(
            mirror=self._mirror,
            planner=planner,
            builder=self._builder,
            drainer=self._drainer,
            releases=self.store.releases,
            clock=self.clock,
            events=self.events,
            installed=self._installed,
            switch=self._switch,
            replan=self._timetable.replan,
            pins=lambda: self._decisions.pins,
            held=lambda: self._decisions.hold is not None,
            poll_seconds=poll_seconds,
            accept_rewritten=accept_rewritten,
            policy=policy,
            crashes=self._crashes,
        )
        self._overview = Overview(
            release=lambda: self._release,
            refusal=lambda: self._syncer.refusal,
            loader=self._loader,
            drainer=self._drainer,
            decisions=self._decisions,
            next_at=self._timetable.next_at,
        )
        self.runs = RunHistory(runs=self.store.runs, overview=self._overview, cancel=self.cancel, rerun=self.rerun)
        self.roll_backs = RollBacks(
            releases=self.store.releases,
            decisions=self._decisions,
            overview=self._overview,
            rebuild=self._syncer.rebuild,
            events=self.events,
        )
        self.directory = Directory(
            release=lambda: self._release, failures=self._overview.failures, decisions=self._decisions
        )
        self._state_lock = threading.Lock()
        self._started = False

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start following the repository, running and ticking. Idempotent."""
        if self._is_forked:
            raise ConfigurationError(
                f"expected a supervisor to be started in the process that made it ({self._pid}), this one "
                f"({os.getpid()}) was forked from it: make it after the fork, in each worker"
            )
        with self._state_lock:
            if self._started:
                return
            self._started = True
            self._crashes.start(safe=self._begins_safe)
            self._probe.start()  # it gets ready while the first commit is fetched and planned
            finder.add_resolver(self._recaller.recall)
            archive.add_folder(self.data)
            leftovers.exempt(self.data)
            self._watch_for_stalls()
            self._replicas.start()
            self._recovery.clean()
            sweep()
            self._environments.start()
            self._dispatcher.start()
            self._drainer.start()
            self._pruner.start()
            self._trimmer.start()
            self._history_watch.start()
            self._syncer.start()
            if self._tick:
                self._timetable.start()

    def stop(self, deadline_seconds: float | None = None, *, unload_seconds: float = 1.0) -> None:
        """Take no new runs, let those under way finish until the deadline, cancel the rest, stop. Idempotent.

        The deadline is ``stop_seconds`` from now unless another is given; it returns at most 2 s later. Runs that wait
        stay queued, for other processes on the store and for the next start. Versions are unloaded, for as long as
        ``unload_seconds``, which is enough for a thousand: a process that goes on without livegraft may allow more.
        """
        if self._is_forked:
            return
        until = time.monotonic() + (self._stop_seconds if deadline_seconds is None else deadline_seconds)
        with self._state_lock:
            if not self._started:
                return
            self._started = False
            self._crashes.stop()
            finder.remove_resolver(self._recaller.recall)
            archive.remove_folder(self.data)
            watchdog.stop(self._tell_stall)
            self._timetable.stop()
            self._syncer.stop()
            self._environments.stop()
            self._dispatcher.stop(max(0.0, until - time.monotonic()))
            self._drainer.stop()
            self._pruner.stop()
            self._trimmer.stop()
            self._history_watch.stop()
            self._probe.close()
            self._unload_all(unload_seconds)
            self._mirror.close()
            self._replicas.stop()
            process.give_up_identity(self.identity)
            self.store.close()

    @property
    def _is_forked(self) -> bool:
        """Whether this is a fork of the process that made it: then no thread of it is here, and nothing is its own."""
        return self._pid != os.getpid()

    def hurry(self) -> None:
        """Have a ``stop`` under way not wait for its deadline. May be called by the handler of a signal."""
        self._dispatcher.hurry()

    def __enter__(self) -> Self:
        self.start()
        try:
            self._syncer.first_look()
        except MirrorError as error:
            logger.warning("started without news of the repository: %s", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- live code for the host ------------------------------------------------------------

    def require(self, target: str, signature: Shape | None = None) -> None:
        """Refuse every commit after which live code would lack what this host calls.

        ``target`` is ``MODULE:ATTRIBUTE``, as in ``"shop/pricing:quote"`` or ``"pricing:Cart.total"``. With a
        ``signature`` (an ``inspect.Signature``, a function that has it, or its text) each call that it allows must be
        accepted; with a ``typing.Protocol`` class ``target`` may be a module, and every member is required. A module
        that breaks this, and the scripts that import it, keep their last good version, and the failure is shown.

        Before the start it only declares. On a running supervisor it raises ContractError, or LoadError,
        when the live release breaks it, and then nothing is required. Raises ConfigurationError for a
        target or a signature that cannot be read.
        """
        self.require_all(requirements_of(target, signature))

    @property
    def requirements(self) -> Sequence[Requirement]:
        """What the host requires of live code: what ``require`` and ``function`` said so far."""
        return self._requirements.all

    def require_all(self, requirements: Sequence[Requirement]) -> None:
        """As ``require``, for what was read already: all of them, or none."""
        failure: LoadError | None = None
        with self._drainer.turn:
            if self._release is not None:
                try:
                    self._builder.check_live(requirements, self._release)
                except LoadError as error:
                    failure = error.again()  # the first one's frames hold the version
            if failure is None:
                for requirement in requirements:
                    self._requirements.add(requirement)
        if failure is not None:
            raise failure

    def function(
        self,
        target: str,
        *,
        signature: Signature | Callable[..., Any] | None = None,
        follow_signature: bool = False,
    ) -> Callable[..., Any]:
        """One callable to hand out for ``MODULE:ATTRIBUTE``: a route, a task, a callback that is registered once.

        It has the exact signature of the live function, is a coroutine function where that is one, calls the newest
        version, and keeps none alive. What it looks like is required from then on, as by ``require``: a
        commit that changes it incompatibly is refused. With ``follow_signature`` the function must be there and stay
        async or not; its parameters may change, and the callable's with them. With a ``signature`` it looks
        like that for good, and may be made before the start.

        Raises NotLiveError (no release is live, or it has no such function), LoadError, ContractError and
        ConfigurationError.
        """
        module, attribute = split_target(target)
        if not attribute:
            raise ConfigurationError(f"expected {target!r} to name a function, as in '{target}:quote'")
        if signature is not None:
            self.require(target, signature)
            look = Look(signature, "plain", None) if isinstance(signature, Signature) else Look.of(signature)
            return self._calls.hand_out(module, attribute, look)
        function = self._calls.hand_out(module, attribute)
        if follow_signature:
            self.require_all((of_kind(target, is_async=iscoroutinefunction(function)),))
        else:
            self.require(target, function)
        return function

    # -- scripts and releases --------------------------------------------------------------

    @property
    def release(self) -> Release | None:
        """What is live; None before the first commit was taken."""
        return self._release

    @property
    def refusal(self) -> Refusal | None:
        """The newest commit while it is not live because not all of it loads (``release="whole"``)."""
        return self._syncer.refusal

    @property
    def scripts(self) -> Sequence[ScriptStatus]:
        """Every script, by name. Among very many ``directory`` finds some, and ``scripts_named`` tells of these."""
        return self._overview.scripts()

    def scripts_named(self, names: Iterable[str]) -> Sequence[ScriptStatus]:
        """These scripts, in this order; those that are not there are left out."""
        return self._overview.scripts(names)

    @property
    def script_names(self) -> Sequence[str]:
        """Of every script, in order."""
        return self._overview.names()

    @property
    def failure_count(self) -> int:
        """Of how many scripts the newest version did not load."""
        return self._overview.failure_count()

    @property
    def failing(self) -> Sequence[ScriptStatus]:
        """The scripts whose newest version did not load, the last one first."""
        return self._overview.failing()

    @property
    def behind(self) -> Sequence[ScriptStatus]:
        """The scripts whose newest version is not live, by name."""
        return self._overview.behind()

    @property
    def quarantines(self) -> Mapping[str, Restraint]:
        """The decisions that keep scripts out of service, by script; of some that left the repository too."""
        return self._decisions.quarantines

    def script(self, name: str) -> ScriptStatus:
        """One script. Raises NotFoundError."""
        found = self._overview.script(name)
        if found is None:
            raise self._works.missing(name)
        return found

    def imports(self, name: str) -> Imports:
        """What a live script imports from the repository, and what of the repository imports it."""
        return self._overview.imports(name)

    def code(self, name: str, key: str | None = None) -> str:
        """The source of a script: of its newest version, or of the one with this key. Raises NotFoundError."""
        release = self._release
        if key is not None:
            known = self.store.releases.version(name, key)
            if known is None:
                raise NotFoundError("version", f"{name}@{key}")
            snapshot = self._mirror.snapshot(self._mirror.revision(known.revision))
            return self._mirror.read(snapshot.files[f"{name}.py"]).decode("utf-8", "replace")
        # What never was live may stand in a commit that was refused as a whole.
        plan = release.plan if release and name in release.scripts else self._syncer.newest_plan
        planned = plan.modules.get(name.replace("/", ".")) if plan else None
        if planned is None or planned.source is None:
            raise self._works.missing(name)
        return planned.source.text

    def offers(self, name: str) -> Mapping[str, Offer]:
        """Asks a live script for the choices that it has at the moment, for its parameters with ``choices()``."""
        script = self._release.scripts.get(name) if self._release else None
        if script is None or not script.parameters.sources or name in self._decisions.quarantines:
            return {}
        return self._offers.of(script.version.key, script.parameters)

    def sync(self, *, actor: str = "host", timeout: float | None = None, accept_rewritten: bool = False) -> SyncReport:
        """Look at the repository now; returns when its newest commit is live or refused.

        Raises MirrorError when it cannot be read, BusyError when it takes longer than ``timeout`` seconds.
        """
        if accept_rewritten:
            self.store.audit.add(self.clock.now(), actor, "accept rewritten", self.branch, {})
        return self._syncer.sync(timeout, accept_rewritten=accept_rewritten)

    def settle(self, timeout: float | None = None) -> None:
        """Wait until no environment is being made and what came of it is live. Raises BusyError after ``timeout`` s."""
        if not self._environments.wait(timeout):
            raise BusyError(f"expected environments to be made within {timeout} s, that goes on")
        self._syncer.first_look()

    def poke(self) -> None:
        """Have the repository looked at now; returns at once. However often it is called, that is one look."""
        self._syncer.poke()

    @property
    def sync_status(self) -> SyncStatus:
        """How following the repository goes."""
        return self._syncer.status

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Files of the live commit that were left out, and why."""
        release = self._release
        return release.plan.skipped if release else ()

    def serving(self, name: str) -> LiveVersion | None:
        """The version of a script that serves, if one does."""
        script = self._release.scripts.get(name) if self._release else None
        return live_version(script.version) if script else None

    def releases(
        self, *, before: int | None = None, limit: int = 50, most_scripts: int = FIRST_SCRIPTS
    ) -> Sequence[ReleaseRecord]:
        """Commits, newest first; of each at most so many scripts."""
        return self.store.releases.find(before=before, limit=limit, most_scripts=most_scripts)

    def find_release(self, id: int) -> ReleaseRecord:
        """Raises NotFoundError."""
        for found in self.store.releases.find(before=id + 1, limit=1, most_scripts=0):
            if found.id == id:
                return found
        raise NotFoundError("release", str(id))

    def scripts_of_release(
        self, id: int, *, outcome: Outcome | None = None, after: str = "", limit: int = 50
    ) -> Sequence[ScriptOutcome]:
        """What a release did to scripts, by name, from behind the one that is named."""
        return self.store.releases.scripts(id, outcome=outcome, after=after, limit=limit)

    def versions(self) -> Sequence[VersionStatus]:
        """Every version in this process, and those that left lately."""
        return self._overview.versions()

    def first_versions(
        self, order: Sequence[VersionState], *, state: str = "", limit: int
    ) -> tuple[Mapping[VersionState, int], Sequence[VersionStatus]]:
        """How many versions there are in each state, and the first of them (or of one state), by state and name."""
        return self._overview.first_versions(order, state=state, limit=limit)

    def script_versions(self, name: str) -> Sequence[VersionRecord]:
        """Versions of a script that were live once, newest first."""
        return self.store.releases.versions(name)

    def slots(
        self,
        *,
        script: str | None = None,
        states: Iterable[SlotState] = (),
        before: SlotPlace | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> Sequence[SlotRecord]:
        """Due times and what became of them, newest first; from ``since`` on, before ``until``."""
        return self.store.slots.find(script=script, states=states, before=before, since=since, until=until, limit=limit)

    def states_of(self, run_ids: Iterable[str]) -> Mapping[str, RunState]:
        """How some runs stand, by id; without those that are not there."""
        return self.store.runs.states(run_ids)

    def tally_slots(
        self, since: datetime, span: timedelta, count: int, *, script: str | None = None
    ) -> Sequence[SlotTally]:
        """How many slots ran, failed, were skipped and missed in each of so many spans of time, oldest first."""
        return self.store.slots.tally(since, span, count, script)

    def forecast(self, name: str, count: int = 10) -> Sequence[Forecast]:
        """The next due times of each cron line of a live script, and where changes of the clocks touch them."""
        return self._overview.forecast(name, self.clock.now(), count)

    def coming(self, count: int, within: timedelta) -> Sequence[ComingSlot]:
        """The next slots within some time, one of each schedule, the first ones."""
        return self._timetable.coming(count, self.clock.now() + within)

    def coming_of(self, name: str, count: int, within: timedelta) -> Sequence[ComingSlot]:
        """The next slots of one script within some time."""
        return self._timetable.coming_of(name, count, self.clock.now() + within)

    def all_coming(self, count: int, within: timedelta) -> Sequence[ComingSlot]:
        """The next slots within some time, of every schedule as often as it is due."""
        return self._timetable.all_coming(count, self.clock.now() + within)

    def outlasting(self, name: str) -> str:
        """That runs of a script outlast their interval, in words, as its last slots tell; "" when they do not."""
        last = self.store.slots.find(script=name, limit=LAST_SLOTS)
        count = sum(slot.cause is SlotCause.OVERLAP for slot in last)
        if count < OUTLASTING:
            return ""
        return f"Its runs outlast their interval: at {count} of its last {len(last)} due times one was still going."

    # -- runs ------------------------------------------------------------------------------

    def run(self, name: str, /, **arguments: Any) -> Run:
        """Start a run for the host. Raises as ``submit`` does."""
        return self.submit(name, arguments, trigger=Trigger.HOST, actor="host")

    def submit(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        trigger: Trigger,
        actor: str,
        request: str | None = None,
        version: str = "",
    ) -> Run:
        """Start a run of the live version; with an idempotency key ``request``, once for all who give the same.

        With ``version`` of the one with that key, which may be shortened, loaded again if need be.
        Raises NotFoundError, NotRunnableError (quarantined, or no version loaded), ArgumentsError,
        BusyError (the queue is full), and LoadError when an earlier version does not load any more.
        """
        given = partial(self._dispatcher.submit, trigger=trigger, actor=actor, arguments=arguments, request=request)
        told = {}
        if version:
            known = self._version(name, version)
            told = {"version": known.key}
            run = self._run_at_version(name, known.key, known.revision, given)
        else:
            run = given(self._works.live(name))
        if trigger is not Trigger.HOST:
            detail = {"run": run.id, "trigger": trigger.value, **told}
            self.store.audit.add(self.clock.now(), actor, "run", name, detail)
        return run

    def problems_of(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, str]:
        """What is wrong with arguments for the live version, by parameter; nothing is run.

        Raises NotFoundError and NotRunnableError.
        """
        try:
            self._dispatcher.check(self._works.live(name), arguments)
        except ArgumentsError as error:
            return error.problems
        return {}

    def _run_at_version(self, name: str, key: str, revision: str, submit: Callable[[Work], Run]) -> Run:
        with self._drainer.turn:  # what is loaded for it is nobody's until the run is there: it must not be unloaded
            run = submit(self._works.at(name, key, revision))
        self._drainer.supersede(self._release.roots() if self._release else (), lambda step, at: None)
        return run

    def run_at(
        self,
        name: str,
        at: datetime,
        arguments: Mapping[str, Any],
        *,
        trigger: Trigger,
        actor: str,
        request: str | None = None,
    ) -> Run:
        """Have a run start at an instant, of the version that is live then; it outlives this process.

        Until then it is queued and can be cancelled. Raises as ``submit`` does, ArgumentsError also for an instant that
        went by and for secret arguments, which are not kept, and BusyError when as many wait already as may.
        """
        now = self.clock.now()
        work = self._works.live(name)
        if at.tzinfo is None or at <= now:
            raise ArgumentsError(
                name, {"at": f"expected an instant with a zone that is to come, got: {at.isoformat()}"}
            )
        secrets = [each for each in arguments if each in work.parameters.secrets]
        if secrets:
            raise ArgumentsError(name, dict.fromkeys(secrets, "is a secret, which is not kept until then"))
        if len(self.store.runs.waiting()) >= MOST_WAITING:
            raise BusyError(f"expected fewer than {MOST_WAITING:,} runs to wait, please try again later")
        prepared = self._dispatcher.prepare(work, trigger=trigger, actor=actor, arguments=arguments)
        run = self._dispatcher.submit_waiting(self._dispatcher.put_off(prepared, due_at=at, request=request))
        self._timetable.wake()
        self.store.audit.add(now, actor, "run at", name, {"run": run.id, "at": at.astimezone(UTC).isoformat()})
        return run

    def find_missing(self, name: str, first: datetime, last: datetime) -> Sequence[MissingSlot]:
        """The slots from one instant to another that have no run: what ``backfill`` would run. Raises as it does."""
        return self._backfill.find(name, first, last)

    def backfill(
        self, name: str, first: datetime, last: datetime, *, trigger: Trigger, actor: str
    ) -> Sequence[RunRecord]:
        """Have the slots from one instant to another run that have no run, oldest first, each when the script is free.

        Raises NotFoundError, NotRunnableError, ArgumentsError (more than 1,000 slots; no schedule), BusyError.
        """
        runs = self._backfill.run(name, self._backfill.find(name, first, last), trigger=trigger, actor=actor)
        detail = {"first": first.isoformat(), "last": last.isoformat(), "runs": len(runs)}
        self.store.audit.add(self.clock.now(), actor, "backfill", name, detail)
        return runs

    def rerun(
        self,
        run_id: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        original: bool = False,
        trigger: Trigger,
        actor: str,
    ) -> Run:
        """Start a run that repeats another: with its arguments unless others are given.

        It executes the live version, or with ``original`` the one that the first run had, loaded again if need be.
        Raises as ``submit`` does, and LoadError when the original version cannot be loaded any more.
        """
        first = self.find_run(run_id)
        given = first.arguments if arguments is None else arguments
        submit = partial(
            self._dispatcher.submit, trigger=trigger, actor=actor, arguments=given, origin=first.origin or first.id
        )
        if original:
            run = self._run_at_version(first.script, first.key, first.revision, submit)
        else:
            run = submit(self._works.live(first.script))
        self.store.audit.add(self.clock.now(), actor, "rerun", first.script, {"run": run.id, "of": first.id})
        return run

    def cancel(self, run_id: str, *, actor: str) -> RunRecord:
        """Ask a run to stop. Raises NotFoundError, ConflictError when it has ended."""
        self.find_run(run_id)
        self._dispatcher.cancel(run_id, reason=f"cancelled by {actor}")
        self.store.audit.add(self.clock.now(), actor, "cancel", run_id, {})
        return self.find_run(run_id)

    def find_run(self, run_id: str) -> RunRecord:
        """A run as it is now. Raises NotFoundError."""
        found = self._dispatcher.view.record(run_id) or self.store.runs.get(run_id)
        if found is None:
            raise NotFoundError("run", run_id)
        return found

    def result(self, run_id: str) -> RunResult | None:
        """What a run returned, with the bytes that ``find_run`` leaves out. Raises NotFoundError."""
        return self._dispatcher.view.whole_result(self.find_run(run_id))

    def repeats(self, run_id: str) -> Sequence[RunRecord]:
        """The runs that repeat one: retries, recoveries and those that people asked for, oldest first."""
        return [self._dispatcher.view.record(each.id) or each for each in self.store.runs.repeats(run_id)]

    def given(self, script: str, limit: int = 50) -> Sequence[GivenArguments]:
        """What the newest runs of a script were given, newest first; secrets are masked."""
        return self.store.runs.given(script, limit)

    def find_runs(
        self,
        *,
        script: str | None = None,
        states: Iterable[RunState] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        """Runs, newest first."""
        return self.store.runs.find(script=script, states=states, before=before, limit=limit)

    def wait(self, run_id: str, timeout: float) -> RunRecord:
        """The run when it ended, or as it is after ``timeout`` seconds. Raises NotFoundError."""
        self._dispatcher.view.wait(run_id, timeout)
        return self.find_run(run_id)

    def progress(self, run_id: str) -> Sequence[Progress]:
        """What an open run said last of how far it is: bars, the outermost first; none when it said nothing."""
        return self._dispatcher.view.progress(run_id)

    def output(self, run_id: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Output of a run from a byte offset, UTF-8. Raises NotFoundError."""
        self.find_run(run_id)
        return self._dispatcher.view.output(run_id, offset, limit)

    def whole_output(self, run_id: str, offset: int = 0) -> bytes:
        """All output of a run that is kept, from a byte offset. Raises NotFoundError."""
        pieces = []
        while (chunk := self.read_output(run_id, offset)).data:
            pieces.append(chunk.data)
            offset = chunk.next_offset
        return b"".join(pieces)

    def output_marks(self, run_id: str, start: int, stop: int) -> list[Mark]:
        """When and at which level the bytes between two offsets of a run's output were written."""
        return self._dispatcher.view.marks(run_id, start, stop)

    def read_output(self, run_id: str, offset: int = 0, limit: int = 1 << 20) -> OutputChunk:
        """The next piece of output and where to read on; an empty one when there is none (yet)."""
        return self._dispatcher.view.read(run_id, offset, limit)

    def listen(self, run_id: str, told: Callable[[], object]) -> bool:
        """Have ``told`` called at each news of a run's output, and at its end, until ``unlisten``. Idempotent.

        It is called by the thread that makes the news and must not wait. False when this process has none to tell: the
        run ended, or another process has it.
        """
        return self._dispatcher.view.listen(run_id, told)

    def unlisten(self, run_id: str, told: Callable[[], object]) -> None:
        """Idempotent."""
        self._dispatcher.view.unlisten(run_id, told)

    def follow(self, run_id: str, offset: int = 0) -> Iterator[OutputChunk]:
        """Output of a run as it comes; ends with the run. Raises NotFoundError."""
        self.find_run(run_id)
        return self._dispatcher.view.follow(run_id, offset)

    # -- people's decisions ----------------------------------------------------------------

    def scrub(self, name: str, *, key: str, actor: str) -> VersionStatus:
        """Turn the globals of a superseded version into tombstones, so that its memory returns whoever holds it.

        ``name`` is its module's in the repository (``reports/daily`` or ``reports.daily``), ``key`` may be shortened.
        Its runs, tasks and threads are asked to stop; what its code does from then on raises UnloadedVersionError.
        Raises NotFoundError, and ConflictError when it has not been superseded.
        """
        dotted = name.replace("/", ".")
        found = [each for each in self._loader.versions if each.name == dotted and key and each.key.startswith(key)]
        version = next((each for each in found if each.is_leaving), found[0] if found else None)
        if version is None:
            superseded = [each.label for each in self._loader.versions if each.name == dotted and each.is_leaving]
            raise NotFoundError("version", f"{name}@{key}", next(iter(superseded), None))
        if not version.is_leaving:
            raise ConflictError(f"expected {version.label} to be superseded, it is {version.state}")
        decision = self._drainer.scrub(version, actor)
        detail = {"holders": list(decision.holders), "stopped": list(decision.stopped)}
        self.store.audit.add(self.clock.now(), actor, "scrub", version.label, detail)
        return self._overview.version(version)

    def quarantine(self, name: str, *, reason: str, actor: str) -> None:
        """Take a script out of service: no button, no schedule, no API; the host's own calls go on."""
        self.script(name)
        self._decisions.put(RestraintKind.QUARANTINE, name, actor=actor, reason=reason)
        self._tell_quarantine(name)

    def release_quarantine(self, name: str, *, actor: str) -> None:
        """Put a quarantined script back into service. Raises ConflictError when it is not quarantined."""
        if not self._decisions.lift(RestraintKind.QUARANTINE, name, actor=actor):
            raise ConflictError(f"expected {name} to be quarantined, it is not")
        self._tell_quarantine(name)

    def retry(self, name: str, *, actor: str) -> ScriptStatus:
        """Load the version of a script again that failed, as after a fault that went by; what became of it.

        Raises NotFoundError, and ConflictError when its newest version did not fail.
        """
        if self.script(name).error is None:
            raise ConflictError(f"expected the newest version of {name} to have failed, it has not")
        self.store.audit.add(self.clock.now(), actor, "retry", name, {})
        self._syncer.retry(name)
        return self.script(name)

    def pause(self, name: str, *, actor: str, reason: str = "") -> None:
        """Have the schedules of a script skip their slots until somebody resumes them; it can be run otherwise.

        Raises NotFoundError.
        """
        self.script(name)
        self._decisions.put(RestraintKind.PAUSE, name, actor=actor, reason=reason)
        self._tell_pause(name)

    def unpause(self, name: str, *, actor: str) -> None:
        """Have the schedules of a script run again. Raises ConflictError when they are not paused."""
        if not self._decisions.lift(RestraintKind.PAUSE, name, actor=actor):
            raise ConflictError(f"expected the schedules of {name} to be paused, they are not")
        self._tell_pause(name)

    def pin(self, name: str, *, key: str, actor: str, reason: str = "") -> None:
        """Make a version that was live once live again, and keep the script at it.

        ``key`` may be shortened. Raises NotFoundError, and LoadError when the version does not load any more.
        """
        known = self._version(name, key)
        self._decisions.put(RestraintKind.PIN, name, actor=actor, reason=reason, key=known.key, revision=known.revision)
        self._syncer.rebuild()
        status = self.script(name)
        if status.version is None or status.version.key != known.key:
            self._decisions.lift(RestraintKind.PIN, name, actor=actor)
            self._syncer.rebuild()
            reason = status.error.failure.message if status.error else "it did not load"
            raise LoadError(f"{name}.py", 0, f"expected version {known.key[:8]} to load, got: {reason}")
        self.events.emit("script", name, pinned=True)

    def _version(self, name: str, key: str) -> VersionRecord:
        """A version of a script that was live once, by its key, which may be shortened. Raises NotFoundError."""
        self.script(name)
        known = next((known for known in self.script_versions(name) if known.key.startswith(key)), None)
        if known is None or not key:
            raise NotFoundError("version", f"{name}@{key}")
        return known

    def unpin(self, name: str, *, actor: str) -> None:
        """Let a pinned script follow the repository again. Raises ConflictError when it is not pinned."""
        if not self._decisions.lift(RestraintKind.PIN, name, actor=actor):
            raise ConflictError(f"expected {name} to be pinned, it is not")
        self._syncer.rebuild()
        self.events.emit("script", name, pinned=False)

    @property
    def held(self) -> Restraint | None:
        """The decision that holds the repository at its release, if there is one."""
        return self._decisions.hold

    def hold(self, *, actor: str, reason: str = "") -> None:
        """Keep the present release live whatever is committed, until somebody lets go."""
        self._decisions.put(RestraintKind.HOLD, "", actor=actor, reason=reason)
        self._syncer.poke()

    def let_go(self, *, actor: str) -> None:
        """Follow the repository again. Raises ConflictError when it is not held."""
        if not self._decisions.lift(RestraintKind.HOLD, "", actor=actor):
            raise ConflictError("expected the repository to be held, it is not")
        self._syncer.poke()

    @property
    def safe_mode(self) -> str:
        """Why no code of scripts is loaded, or ""."""
        return self._crashes.safe_mode

    def resume(self, *, actor: str) -> None:
        """Leave safe mode, and take the commit again that is refused because a process died of it.

        Raises ConflictError when there is neither.
        """
        if not self._crashes.resume(actor):
            raise ConflictError("expected safe mode or a commit that is refused after a crash, there is neither")
        self._syncer.rebuild()

    @property
    def history_fault(self) -> str:
        """Why the history cannot be written at present, or "". Runs are refused then, and due times wait."""
        return self._history_watch.fault

    def audit(self, *, before: int | None = None, limit: int = 50) -> Sequence[AuditRecord]:
        """Who changed what, newest first."""
        return self.store.audit.find(before=before, limit=limit)

    def search_audit(self, which: AuditFilter, *, before: int | None = None, limit: int = 50) -> AuditFound:
        """Those rows of the audit that somebody wants to see, newest first."""
        return self.store.audit.search(which, before=before, limit=limit)

    @property
    def restart_needed(self) -> Sequence[PackageChange | LockChange]:
        """Packages that are not on disk as they were imported, and what the newest commit locked at another version."""
        return self._syncer.restart_needed

    @property
    def stalls(self) -> Sequence[Stall]:
        """When code held the interpreter for a second or more, newest first; those in which a process ended too."""
        return tuple(reversed(self._stalls))

    def threads(self) -> Sequence[ThreadStatus]:
        """What every other thread of the process executes now."""
        return threads.threads(self._loader.locate)

    def loops(self) -> Sequence[LoopStatus]:
        """The event loops of the process that have tasks, and where these stand."""
        return threads.loops(self._loader.locate)

    # -- shared data -----------------------------------------------------------------------

    def find_shared(
        self, name: str, *, after: str | None = None, limit: int = 50
    ) -> tuple[SharedName, Sequence[SharedValue]]:
        """What is kept under a name, and its values by key, behind a given key. Raises NotFoundError."""
        found = self.shared.find(name)
        if found is None:
            near = get_close_matches(name, [each.name for each in self.shared.names()], 1)
            raise NotFoundError("shared data", name, near[0] if near else None)
        return found, self.shared(name).rows(after=after, limit=limit)

    def delete_shared(self, name: str, key: str | None = None, *, actor: str) -> None:
        """Delete a key of shared data, or all that is kept under a name. Raises NotFoundError."""
        self.find_shared(name, limit=1)
        data = self.shared(name)
        if key is None:
            data.clear()
        elif not data.discard(key):
            raise NotFoundError("key of shared data", key)
        self.store.audit.add(self.clock.now(), actor, "delete shared data", name, {} if key is None else {"key": key})

    # -- faces -----------------------------------------------------------------------------

    def health(self) -> Mapping[str, Any]:
        """Whether this supervisor works, in numbers; ``status`` is ok, degraded or stopped.

        ``restart_needed`` tells which packages changed on disk under the process; that alone degrades nothing.
        """
        status, release = self.sync_status, self._release
        refusal = self.refusal
        history = self.history_fault
        is_well = status.state != "failing" and release is not None and not self.safe_mode and not history
        failures = {**(release.failures if release else {}), **(refusal.failures if refusal else {})}
        preparing = sum(failure.is_pending for failure in failures.values())
        return {
            "status": "stopped" if self._is_forked or not self._started else "ok" if is_well else "degraded",
            "sync": status.state.value,
            "revision": status.revision,
            "refused": refusal.revision if refusal else None,
            "crash": refusal.crash or None if refusal else None,
            "safe_mode": self.safe_mode or None,
            "history": history or "ok",
            "scripts": len(release.scripts) if release else 0,
            "failed_scripts": len(failures) - preparing,
            "preparing_scripts": preparing,
            "open_runs": len(self._dispatcher.view.active()),
            "versions": len(self._loader.versions),
            "restart_needed": [str(change) for change in self.restart_needed],
            "probe": self._probe.state,
        }

    @property
    def web(self) -> Any:
        """The pages and the API as an ASGI application, to mount anywhere in the host's own."""
        # The faces stand above the supervisor: it knows this one name of theirs and imports it when asked.
        return importlib.import_module("livegraft.web.app").build(self)

    @property
    def replicas(self) -> Sequence[ReplicaRecord]:
        """The processes that share this store, this one too, by the time at which they started."""
        return self._replicas.all()

    def serves_at(self, address: str) -> None:
        """Tell the other processes where this one has its pages."""
        self._replicas.serves_at(address)

    # -- wiring ----------------------------------------------------------------------------

    def _switch(self, release: Release | None) -> None:
        """Make a release live, in one step for runs, which read ``_release``, and for calls of the host."""
        crash_point("switch begins")
        self._calls.switch(release, (self, "_release", release))
        crash_point("switch done")
        if release is not None:
            at = {name: release.scripts[name] for name in self._decisions.quarantines if name in release.scripts}
            self._breaker.went_live({name: script.version.key for name, script in at.items()})
            if not self.safe_mode:
                self._recovery.restart_lost_runs(release)

    def _bury(self, identity: str) -> None:
        """A process on this store died."""
        self._recovery.close_runs_of(identity)
        if self._release is not None and not self.safe_mode:
            self._recovery.restart_lost_runs(self._release)
        if process.is_of_this_machine(identity):
            sweep()

    def _restart(self, lost: RunRecord, origin: str) -> None:
        """Start a run again that was lost with its process."""
        self._dispatcher.submit(
            self._works.live(lost.script),
            trigger=lost.trigger,
            actor=lost.actor,
            arguments=lost.arguments,
            origin=origin,
            attempt=lost.attempt + 1,
        )

    def _own_environments(
        self, policy: EnvironmentPolicy | None, provide: Mapping[str, object], import_seconds: float
    ) -> Environments:
        """What makes environments for scripts that need more than the host has; None: nothing does."""
        uv = find_uv() if policy is not None else None
        if policy is None or uv is None:
            missing = ", or livegraft[envs], so that the script gets an environment of its own"
            return NoEnvironments(missing if policy is not None else "")
        return Preparer(
            builder=UvBuilder(folder=self.data / "environments", policy=policy, uv=uv),
            processes=self._processes,
            scratch=self.data / "runs",
            write_data=self._loader.write_data,
            provided=provide,
            import_seconds=import_seconds,
            settled=lambda: self._syncer.poke(),
        )

    def _environments_in_use(self) -> set[str]:
        return {script.environment.key for script in self._elsewhere() if script.environment is not None}

    def _keys_in_use(self) -> set[str]:
        """Those whose sources are read: of versions here, and of what live scripts have in other environments."""
        elsewhere = {each.key for script in self._elsewhere() for each in script.version.reach.values()}
        return elsewhere.union(version.key for version in self._loader.versions)

    def _elsewhere(self) -> Sequence[LiveScript]:
        release = self._release
        return [each for each in release.scripts.values() if each.environment is not None] if release else []

    def _tell_quarantine(self, name: str) -> None:
        """A script's quarantine began or ended: its schedules skip their slots, or not any more."""
        self._timetable.replan([name])
        self.events.emit("script", name, quarantined=name in self._decisions.quarantines)

    def _learn(self) -> None:
        """Act on what was decided in other processes on the history."""
        changed = self._decisions.learn()
        if RestraintKind.PIN in changed or RestraintKind.HOLD in changed:
            self._syncer.poke(rebuild=RestraintKind.PIN in changed)
        for name in changed.get(RestraintKind.PIN, ()):
            self.events.emit("script", name, pinned=name in self._decisions.pins)
        for name in changed.get(RestraintKind.QUARANTINE, ()):
            self._tell_quarantine(name)
        for name in changed.get(RestraintKind.PAUSE, ()):
            self._tell_pause(name)

    def _watch_for_stalls(self) -> None:
        folder = self.data / "stalls"
        for stall in left(folder, self._loader.locate):
            self._tell_stall(stall)
        watchdog.start(self._loader.locate, self._tell_stall, folder=folder, begin=OnlookerProcess)

    def _tell_pause(self, name: str) -> None:
        self._timetable.replan([name])
        self.events.emit("script", name, paused=name in self._decisions.pauses)

    def _tell_stall(self, stall: Stall) -> None:
        self._stalls.append(stall)
        logger.warning("thread %s %s", stall.name or stall.thread, stall)
        self.events.emit("stall", stall.path, line=stall.line, seconds=stall.seconds)

    def _run_ended(self, run: RunRecord) -> None:
        self._timetable.ended(run.script)
        self._breaker.ended(run)
        self._crashes.ended_well(run)

    def _cancel_superseded(self, run_id: str) -> None:
        with contextlib.suppress(ConflictError, NotFoundError):  # it ended meanwhile, or is asked already
            self._dispatcher.cancel(run_id)

    def _keep_of(self, name: str) -> Keep:
        script = self._release.scripts.get(name) if self._release else None
        return script.header.keep if script else Keep()

    def _prune_files(self) -> None:
        self.artifacts.prune(lambda run_id: self.store.runs.get(run_id) is not None)
        self._uploads.prune()
        self._environments.prune(self._environments_in_use())

    def _write_decision(self, decision: Decision) -> None:
        """What the drain policy did stands beside what people do."""
        detail = {
            "holders": list(decision.holders),
            "stacks": list(decision.stacks),
            "stopped": list(decision.stopped),
        }
        action = f"drain deadline: {decision.policy.value}"
        self.store.audit.add(self.clock.now(), LIVEGRAFT, action, decision.version.label, detail)

    def _runs_of(self, version: Version) -> Sequence[str]:
        return self._dispatcher.view.uses(version.key)

    def _unload_all(self, seconds: float) -> None:
        self._switch(None)
        self._syncer.forget()
        self._drainer.supersede((), lambda step, at: None)
        until = time.monotonic() + seconds
        while self._drainer.look():
            if time.monotonic() >= until and (left := len(self._loader.versions)):
                logger.info(
                    "%d versions were not unloaded within %g s: they stay until this process ends", left, seconds
                )
                return


def make_data_folder(folder: Path) -> None:
    """Have a folder in which a supervisor can write. Raises StoreError, which says what to do."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It often stands in a work tree: neither its token nor its sources must be committed from there.
        (folder / ".gitignore").write_text("*\n", encoding="ascii")
    except OSError as error:
        raise StoreError(
            f"expected to write into the data folder {folder}, got: {error.strerror}; make it writable for this user, "
            "free some space on its disk, or name another"
        ) from error


def _limits(written: Mapping[str, object] | None) -> ProcessLimits:
    try:
        return read_limits(written or {})
    except ValueError as error:
        raise ConfigurationError(f"process_limits: {error}") from None


def _choice(kind: type[E], given: E | str, name: str) -> E:
    try:
        return kind(given)
    except ValueError:
        raise ConfigurationError(f"expected {name} to be one of {', '.join(kind)}, got: {given!r}") from None
