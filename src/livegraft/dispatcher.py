"""Accepts runs, has them wait for their turn, starts them on runners, ends them, and writes down what becomes of them.

A run's row is written before anything of it executes. One that finds a place at once is this process's from the first;
one that has to wait is nobody's, and any process on the store that has room may claim it. Its states change in one
place (``_move``), by the table in ``livegraft.run``. A run that is asked to stop, by a person or by its
timeout, climbs a ladder: asked, interrupted, stuck; the alarms drive it from step to step.

One that failed and whose script asks for retries is followed by another run, which repeats it: written at once,
and made when it is due, of the version that is live then. So a fix that is committed meanwhile counts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from livegraft import process
from livegraft.alarms import Alarms
from livegraft.artifact_files import Artifacts
from livegraft.claims import Claims
from livegraft.clock import Clock
from livegraft.crash_marker import CrashMarker
from livegraft.crash_points import crash_point
from livegraft.errors import BusyError, ConflictError, LivegraftError, NotFoundError, NotRunnableError
from livegraft.events import Events
from livegraft.header import Retries
from livegraft.line import Line
from livegraft.open_run import Asked, Ending, OpenRun
from livegraft.recorder import Recorder
from livegraft.run import (
    OPEN_STATES,
    TRANSITIONS,
    RunFailure,
    RunRecord,
    RunState,
    Trigger,
    new_run_id,
)
from livegraft.run_handle import Run
from livegraft.run_view import RunView
from livegraft.runner import Call, Job, Runner
from livegraft.runner.capture import capture
from livegraft.runner.failure import where
from livegraft.runner.outcome import Outcome
from livegraft.runner.task import TaskRunner
from livegraft.runner.thread import ThreadRunner
from livegraft.store import Claimed, Runs
from livegraft.uploads import Uploads
from livegraft.work import PROCESS, TASK, THREAD, PreparedRun, Work

logger = logging.getLogger(__name__)

_DUE: Final = "due"
_OVERDUE: Final = "overdue"
_TIMEOUT: Final = "timeout"
_INTERRUPT: Final = "interrupt"
_STUCK: Final = "stuck"

_CANCEL_SECONDS: Final = 5.0
"""How long who cancels a run that waits is kept until that is written."""

_TRIED_AGAIN: Final = frozenset({RunState.FAILED, RunState.TIMED_OUT})
"""Ends after which a script's ``retries`` count."""

_STOPPING: Final = "livegraft is stopping"
_STOP_SECONDS: Final = (0.4, 0.4)
"""When livegraft stops: how long runs have to react to being cancelled, and then to being interrupted."""

_AHEAD: Final = timedelta(seconds=30)
"""A process that knows the script of a waiting run not yet may be behind another by a commit, for so long."""

_HURRY_SECONDS: Final = 0.2
"""How soon somebody who stops notices that he is to hurry."""


class Dispatcher:
    """The runs of one process, which has this ``identity`` among those on the store.

    ``ready`` tells whether it may take runs that wait for any process.
    ``queue_limit`` bounds the runs that are queued or going (default 10,000). A run that is asked to stop
    is interrupted after ``grace_seconds`` (2), and stuck after ``stuck_seconds`` more (5). ``threads``
    bounds the sync runs that execute at once (16), ``tasks`` the async ones (1,000), ``processes`` those that
    ``isolation`` has in processes of their own (8). ``live_work`` tells what runs of a
    script execute now; it raises LivegraftError as long as it takes none. ``ended`` is told of each end, once written.
    ``marker`` is told what executes in this process.
    ``output_folder``, which exists, takes the output of open runs that is too long for memory; ``artifacts``
    keeps the files that they leave, ``uploads`` those that they are given.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        clock: Clock,
        events: Events,
        live_work: Callable[[str], Work],
        identity: str = "",
        ready: Callable[[], bool] = lambda: True,
        output_folder: Path | None = None,
        artifacts: Artifacts | None = None,
        uploads: Uploads | None = None,
        ended: Callable[[RunRecord], None] = lambda record: None,
        marker: CrashMarker | None = None,
        queue_limit: int = 10_000,
        grace_seconds: float = 2.0,
        stuck_seconds: float = 5.0,
        threads: int = 16,
        tasks: int = 1_000,
        isolation: Runner | None = None,
        processes: int = 8,
    ) -> None:
        self._runs = runs
        self._clock = clock
        self._events = events
        self._live_work = live_work
        self._identity = identity or process.identity()
        self._ready = ready
        self._output_folder = output_folder
        self._artifacts = artifacts
        self._uploads = uploads
        self._ended = ended
        self._marker = marker or CrashMarker()
        self._queue_limit = queue_limit
        self._grace_seconds = grace_seconds
        self._stuck_seconds = stuck_seconds
        self._recorder = Recorder(runs)
        self._claims = Claims(runs=runs, identity=self._identity, claimant=self)
        self._alarms = Alarms(clock=clock, ring=self._ring, is_wanted=self._is_open, name="livegraft-alarms")
        self._runners: dict[str, Runner] = {THREAD: ThreadRunner(size=threads), TASK: TaskRunner()}
        if isolation is not None:
            self._runners[PROCESS] = isolation
        self._line = Line({THREAD: threads, TASK: tasks, PROCESS: processes})
        # Guards what follows; also notified whenever a run left.
        self._changed = threading.Condition()
        self._open: dict[str, OpenRun] = {}
        self.view = RunView(
            open_runs=self._open,
            lock=self._changed,
            runs=runs,
            clock=clock,
            identity=self._identity,
            is_working=lambda: self._started,
        )
        self._accepting = False
        self._started = False
        self._hurried = False
        self._arriving_count = 0

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Take runs from now on. Once in a dispatcher's life."""
        self._started = self._accepting = True
        capture.install()
        self._recorder.start()
        self._alarms.start()
        self._claims.start()

    def stop(self, deadline_seconds: float) -> None:
        """Take no more runs, let those under way end until the deadline, then cancel them.

        Runs that wait stay queued, for other processes and the next start; those that only this one could begin are
        cancelled. Returns when all others have ended or are stuck, and that is written, at most 2 s after the
        deadline. Idempotent.
        """
        with self._changed:
            if not self._started:
                return
            self._started = self._accepting = False
        crash_point("stop begins")
        self._claims.stop()  # not under the lock, which it takes to tell what it claimed
        with self._changed:
            self._leave_waiting()
            self._wait_until_quiet(deadline_seconds)
            for entry in self._in_state(*OPEN_STATES):
                self._stop_run(entry, Asked(RunState.CANCELLED, _STOPPING), wait=_STOP_SECONDS[0])
            self._changed.wait_for(self._is_quiet, sum(_STOP_SECONDS) + 0.3)
            for entry in self._in_state(*OPEN_STATES):  # as an alarm would that comes too late
                if entry.job is not None:
                    self._give_up(entry, entry.job)
            self._changed.wait_for(self._is_quiet, 0.3)
        self._alarms.stop()
        for runner in self._runners.values():
            runner.stop()
        self._recorder.stop()
        crash_point("runs stopped")
        capture.uninstall()

    def hurry(self) -> None:
        """Have ``stop`` not wait for its deadline. May be called by a signal's handler."""
        self._hurried = True

    def _wait_until_quiet(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_quiet() and not self._hurried and (left := until - time.monotonic()) > 0:
            self._changed.wait(min(left, _HURRY_SECONDS))

    def _leave_waiting(self) -> None:
        """Leave the runs that wait to other processes and to the next start."""
        left = []
        for entry in self._in_state(RunState.QUEUED):
            if entry.is_shared:
                self._forget(entry)
            elif entry.is_for_all:
                left.append(entry)
            else:
                self._stop_run(entry, Asked(RunState.CANCELLED, _STOPPING))
        for entry in left:
            self._forget(entry)
        try:
            self._runs.offer([entry.record.id for entry in left], self._identity)
        except LivegraftError as error:
            logger.error("%d runs that waited will be lost, not queued: %s", len(left), error)

    # -- starting --------------------------------------------------------------------------

    def submit(
        self,
        work: Work,
        *,
        trigger: Trigger,
        actor: str,
        arguments: Mapping[str, Any],
        request: str | None = None,
        origin: str | None = None,
        attempt: int = 1,
    ) -> Run:
        """Start a run; with a ``request`` that this script had before, find the run that was started for it.

        Raises ArgumentsError, BusyError when the queue is full, NotRunnableError when livegraft is stopping,
        StoreError; nothing is written or started then.
        """
        with self._arriving():
            prepared = self.prepare(work, trigger=trigger, actor=actor, arguments=arguments)
            prepared = replace(prepared, request=request, origin=origin, attempt=attempt)
            written = self._runs.add(prepared)
            entry = self._launch(prepared) if written is prepared else self._open.get(written.id)
        return self._handle(written, entry.ending if entry is not None else None)

    @contextmanager
    def _arriving(self) -> Iterator[None]:
        """While a run is written that is not known yet: who stops waits for it, so that no row is left open."""
        with self._changed:
            self._arriving_count += 1
        try:
            yield
        finally:
            with self._changed:
                self._arriving_count -= 1
                self._changed.notify_all()

    def prepare(
        self,
        work: Work,
        *,
        trigger: Trigger,
        actor: str,
        arguments: Mapping[str, Any],
        slot_at: datetime | None = None,
    ) -> PreparedRun:
        """A run with checked arguments, not written and not started. Raises as ``submit`` does."""
        arguments = self._with_files_kept(work, arguments)
        bound = self._bound(work, arguments)
        turn = work.turn(bound)
        with self._changed:
            if not self._accepting:
                raise NotRunnableError(_STOPPING)
            if len(self._open) >= self._queue_limit:
                raise BusyError(f"expected fewer than {self._queue_limit} open runs, please try again later")
            begins = turn.limit == 0 and self._line.has_room(turn.pool)
        # Before the id, which begins with the time: runs are searched from and up to such an instant by their ids.
        queued_at = self._clock.now()
        return PreparedRun(
            id=new_run_id(),
            script=work.script,
            key=work.key,
            revision=work.revision,
            trigger=trigger,
            actor=actor,
            arguments=work.kept(arguments),
            state=RunState.QUEUED,
            process=self._identity if begins or not work.is_for_all(arguments) else "",
            queued_at=queued_at,
            slot_at=slot_at,
            turn_group=turn.group,
            priority=turn.priority,
            work=work,
            bound=bound,
            given=arguments,
        )

    def launch(self, run: RunRecord) -> None:
        """Have a prepared run wait for its turn, now that its row is written."""
        if not isinstance(run, PreparedRun):
            raise TypeError(f"expected a run from prepare(), got: {run!r}")
        self._launch(run)

    def _launch(self, run: PreparedRun) -> OpenRun:
        crash_point("run written")
        # From here on the row is a plain record: it is kept, and must not keep the version.
        entry = self._opened(run.plain, run.given, run.work.header.retries)
        entry.is_for_all = run.work.is_for_all(run.given)
        with self._changed:
            self._open[run.id] = entry
            self._tell(entry.record)
            if self._accepting:
                self._line_up(entry, run.work, run.bound)
            elif entry.is_shared:
                self._forget(entry)
            else:
                self._stop_run(entry, Asked(RunState.CANCELLED, _STOPPING))
        return entry

    def put_off(self, run: PreparedRun, *, due_at: datetime, request: str | None = None) -> RunRecord:
        """A prepared run as one that waits in the store, of no process, until it is due and somebody takes it."""
        return replace(run.plain, process="", due_at=due_at, request=request)

    def submit_waiting(self, run: RunRecord) -> Run:
        """Write a run that waits; with a ``request`` that this script had before, find the one that it was for."""
        written = self._runs.add(run)
        if written is run:
            self._tell(run)
        return self._handle(written, None)

    def take(self, waiting: RunRecord, work: Work, *, alone: bool = False) -> bool:
        """Have a waiting run begin here, of the version that is live now; False when it is not to be had any more.

        With ``alone`` raises BusyError when the script has an open run in another process. Raises as ``submit`` does;
        then it waits on.
        """
        prepared = self.prepare(work, trigger=waiting.trigger, actor=waiting.actor, arguments=waiting.arguments)
        if not self._runs.take(waiting.id, self._identity, alone_in=waiting.script if alone else ""):
            return False
        ours = {field.name: getattr(waiting, field.name) for field in fields(RunRecord)}
        ours |= {"key": work.key, "revision": work.revision, "process": self._identity}
        ours |= {"turn_group": prepared.turn_group, "priority": prepared.priority}
        self.launch(replace(prepared, **ours))
        return True

    def drop(self, waiting: RunRecord, state: RunState, failure: RunFailure) -> bool:
        """End a waiting run before it began; False when it is not to be had any more."""
        if not self._runs.take(waiting.id, self._identity):
            return False
        self._runs.end(waiting.id, state, self._clock.now(), failure=failure)
        self._tell(replace(waiting, state=state))
        return True

    def _with_files_kept(self, work: Work, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        files = work.parameters.files
        if self._uploads is None or files.isdisjoint(arguments):
            return arguments
        return {name: self._uploads.keep(value) if name in files else value for name, value in arguments.items()}

    def check(self, work: Work, arguments: Mapping[str, Any]) -> None:
        """Raises ArgumentsError when a run would not take them."""
        self._bound(work, self._with_files_kept(work, arguments))

    def _bound(self, work: Work, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return work.parameters.bind(arguments, uploads=self._uploads.folder if self._uploads else None)

    def _line_up(self, entry: OpenRun, work: Work, bound: Mapping[str, Any]) -> None:
        id = entry.record.id
        entry.runner = self._runners[work.pool]
        entry.locate, entry.timeout = work.locate, work.header.timeout
        call = Call(work.function, bound, work.locate, work.isolated, work.sent(entry.given) if work.isolated else {})
        entry.job = Job(entry.run, call, begin=partial(self._begin, id), end=partial(self._end, id))
        entry.turn = work.turn(bound)
        self._line.put(id, entry.turn)
        if work.header.queue_timeout is not None:
            waited = max(timedelta(0), self._clock.now() - (entry.record.due_at or entry.record.queued_at))
            self._alarms.set((work.header.queue_timeout - waited).total_seconds(), id, _OVERDUE)
        self._start_next()

    def _start_next(self) -> None:
        """Start those whose turn it is."""
        while (id := self._line.take()) is not None:
            entry = self._open[id]
            if entry.is_shared or entry.limit:
                self._claims.want(id, entry.limit)
            else:
                self._execute(entry)

    def _execute(self, entry: OpenRun) -> None:
        assert entry.job is not None  # noqa: S101 - it has been in the line since it has one
        entry.runner.start(entry.job)

    # -- sharing with other processes (see livegraft.claims) ---------------------------------

    def claimed(self, outcomes: Mapping[str, Claimed]) -> None:
        """What came of claims: runs begin, wait on, or are another's."""
        asked: list[str] = []
        with self._changed:
            for id, outcome in reversed(list(outcomes.items())):  # each is put back before those behind it
                entry = self._open.get(id)
                if entry is None:
                    continue
                if outcome is Claimed.FULL:
                    self._line.put_back(id)
                elif outcome is Claimed.GONE:
                    if entry.verdict is not None:
                        asked.append(id)
                    self._forget(entry)
            for id, outcome in outcomes.items():
                if outcome is Claimed.TAKEN:
                    entry = self._open.get(id)
                    if entry is not None:
                        self._take(entry)
            self._start_next()
        for id in asked:
            self._runs.ask_cancel(id)

    def _take(self, entry: OpenRun) -> None:
        """It is this process's now: it begins, or has the end that it waited for."""
        entry.record = replace(entry.record, process=self._identity)
        if entry.verdict is not None:
            state, failure = entry.verdict
            self._finish(entry, state, None, failure)
        else:
            self._execute(entry)

    def _forget(self, entry: OpenRun) -> None:
        """It waits, and not here any more."""
        id = entry.record.id
        del self._open[id]
        self._line.leave(id)
        if entry.job is not None:
            entry.job.take()
        entry.job = None
        entry.output.close()
        entry.output.tell()
        entry.ending.is_written.set()
        self._changed.notify_all()

    def has_places(self) -> bool:
        """Whether this process could begin runs of others."""
        with self._changed:
            self._line.open()
            self._start_next()
            return self._accepting and self._ready() and self._line.has_places()

    def shared(self) -> Sequence[str]:
        """Runs that wait here and for any other process alike."""
        with self._changed:
            return [id for id, entry in self._open.items() if entry.is_shared]

    def gone(self, ids: Iterable[str]) -> None:
        """These were begun by others, or ended."""
        with self._changed:
            for id in ids:
                entry = self._open.get(id)
                if entry is not None and entry.is_shared:
                    self._forget(entry)

    def adopt(self, run: RunRecord) -> None:
        """Have a run that waits for any process wait here too."""
        with self._changed:
            if run.id in self._open or not self._accepting or len(self._open) >= self._queue_limit:
                return
            if self._clock.now() - run.queued_at < _AHEAD and not self._knows(run.script):
                return
            entry = self._opened(run, run.arguments, Retries())
            self._open[run.id] = entry
            self._renew(entry)

    def _knows(self, script: str) -> bool:
        try:
            self._live_work(script)
        except NotFoundError:
            return False
        except LivegraftError:
            return True  # and takes no runs of it
        return True

    def cancel_asked(self, id: str) -> None:
        """A run of this process is to be cancelled by the will of another."""
        with self._changed:
            entry = self._open.get(id)
            if entry is not None and entry.record.state in OPEN_STATES and entry.asked is None:
                self._stop_run(entry, Asked(RunState.CANCELLED, "cancelled"))

    def _begin(self, id: str) -> bool:
        """Whether a job may execute; called on the thread that will."""
        with self._changed:
            entry = self._open.get(id)
            if entry is None or entry.record.state is not RunState.QUEUED:
                return False
            crash_point("run begins")
            self._move(entry, RunState.STARTING)
            self._move(entry, RunState.RUNNING, started_at=self._clock.now())
            record = entry.record
            self._recorder.started(record, entry.output)
            if entry.runner is not self._runners.get(PROCESS):
                entry.place = self._marker.running(record.script, record.key, record.revision, id)
            if entry.timeout is not None:
                self._alarms.set(entry.timeout.total_seconds(), id, _TIMEOUT)
            crash_point("run begun")
            return True

    # -- ending ----------------------------------------------------------------------------

    def cancel(self, id: str, *, reason: str = "cancelled") -> None:
        """Ask a run to stop, whichever process has it; a queued one, and one that waits, is cancelled at once.

        Raises NotFoundError, and ConflictError when it has ended or is asked already.
        """
        with self._changed:
            entry = self._open.get(id)
            if entry is not None and entry.record.state in OPEN_STATES and entry.asked is None:
                settled = entry.ending.is_written if entry.is_shared else None
                self._stop_run(entry, Asked(RunState.CANCELLED, reason))
                has_asked = True
            else:
                settled, has_asked = None, False
        if settled is not None:
            settled.wait(_CANCEL_SECONDS)
        if has_asked:
            return
        record = self.view.find(id)
        if record.waits and self.drop(record, RunState.CANCELLED, RunFailure("cancelled", reason)):
            return
        if record.state in OPEN_STATES and entry is None:
            self._runs.ask_cancel(record.id)
            return
        found = "was asked to stop already" if record.state in OPEN_STATES else f"is {record.state}"
        raise ConflictError(f"expected run {id} to be open, it {found}")

    def _stop_run(self, entry: OpenRun, asked: Asked, wait: float | None = None) -> None:
        """Cancel a run that waits, or ask one that goes on to stop; it is interrupted after ``wait`` seconds."""
        if entry.record.state is RunState.QUEUED:
            self._end_waiting(entry, asked.state, RunFailure(_kind(asked.state), asked.reason))
        elif entry.job is not None and (entry.asked is None or wait is not None):
            entry.asked = entry.asked or asked
            entry.run.cancel_requested = True
            entry.runner.ask(entry.job)
            self._alarms.set(self._grace_seconds if wait is None else wait, entry.record.id, _INTERRUPT)

    def _end_waiting(self, entry: OpenRun, state: RunState, failure: RunFailure) -> None:
        """One that waits for any process is claimed first, so that no other begins it."""
        if not entry.is_shared:
            self._finish(entry, state, None, failure)
        elif entry.verdict is None:
            entry.verdict = state, failure
            self._claims.want(entry.record.id, 0)

    def _ring(self, id: str, name: str) -> None:
        """An alarm: a waiting run is due, or overdue; or the next step of a going one's ladder."""
        with self._changed:
            entry = self._open.get(id)
            if entry is not None and entry.record.state is RunState.QUEUED:
                if name == _DUE:
                    self._renew(entry)
                elif name == _OVERDUE:
                    self._stop_run(entry, Asked(RunState.TIMED_OUT, "waited longer than its queue-timeout"))
                return
            if entry is None or entry.job is None or entry.record.state is not RunState.RUNNING:
                return
            if name == _TIMEOUT and entry.timeout is not None:
                seconds = entry.timeout.total_seconds()
                self._stop_run(entry, Asked(RunState.TIMED_OUT, f"took longer than its timeout of {seconds:g} s"))
            elif name == _INTERRUPT:
                entry.runner.interrupt(entry.job)
                self._alarms.set(self._stuck_seconds if self._started else _STOP_SECONDS[1], id, _STUCK)
            elif name == _STUCK:
                self._give_up(entry, entry.job)

    def _give_up(self, entry: OpenRun, job: Job) -> None:
        thread = job.window.thread
        place = where(thread, entry.locate) if thread is not None else ""
        asked = entry.asked.reason if entry.asked else ""
        failure = RunFailure("stuck", f"{asked}, and did not stop when asked and interrupted", traceback=place)
        if entry.runner.give_up(job):
            return
        self._line.give_up(entry.record.id)
        self._finish(entry, RunState.STUCK, None, failure)
        self._start_next()

    def _end(self, id: str, outcome: Outcome) -> None:
        """A job came to its end; called on the thread that executed it."""
        crash_point("run ended")
        entry = self._open[id]
        for note in self._artifacts.settle(id) if self._artifacts else ():
            entry.output.write(f"livegraft: {note}\n")
        with self._changed:
            entry.job = None
            self._marker.free(entry.place)
            if entry.asked is not None:
                failure = _failure_when_asked(entry.asked, outcome)
                self._finish(entry, entry.asked.state, outcome, failure)
            elif outcome.failure is not None:
                self._finish(entry, RunState.FAILED, outcome, outcome.failure)
            else:
                self._finish(entry, RunState.SUCCEEDED, outcome, None)

    def _finish(self, entry: OpenRun, state: RunState, outcome: Outcome | None, failure: RunFailure | None) -> None:
        if state is not RunState.STUCK:
            if entry.job is not None:
                entry.job.take()  # it may wait long in a queue, and must not keep the version there
            entry.job = None
            entry.run.is_open = False
            entry.output.close()
        self._move(
            entry,
            state,
            ended_at=self._clock.now(),
            result=outcome.result if outcome else None,
            failure=failure,
            output_bytes=entry.output.end,
        )
        entry.output.tell()
        record = entry.record
        self._recorder.ended(record, entry.output, partial(self._written, entry, record))
        if state is not RunState.STUCK:
            self._line.leave(record.id)
            self._start_next()

    def _written(self, entry: OpenRun, record: RunRecord) -> None:
        """The end of a run is in the store; called by the recorder."""
        try:
            self._ended(record)
        except Exception:  # all runs hang on the recorder
            logger.exception("the end of run %s of %s was not counted", record.id, record.script)
        if self._is_to_be_tried_again(entry, record):
            self._retry(entry, record)
        with self._changed:
            if record.state is not RunState.STUCK:
                del self._open[record.id]
            entry.ending.written(record)
            self._changed.notify_all()
            if entry.limit:  # the store knows by now that there is a place in its group
                self._line.open()
                self._start_next()
        self._tell(record)

    @staticmethod
    def _is_to_be_tried_again(entry: OpenRun, record: RunRecord) -> bool:
        was_stuck = entry.ending.is_written.is_set()
        has_failed = record.state in _TRIED_AGAIN and record.started_at is not None and not was_stuck
        return has_failed and record.attempt <= entry.retries.times

    def _retry(self, entry: OpenRun, record: RunRecord) -> None:
        """Write a run that repeats one which failed; it is made when it is due."""
        wait = entry.retries.wait_before(record.attempt + 1)
        # Scripts that failed together, because something they all need is away, must not all come back together.
        wait *= random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load, no secret
        now = self._clock.now()
        again = replace(
            record,
            id=new_run_id(),
            state=RunState.QUEUED,
            queued_at=now,
            due_at=now + wait,
            started_at=None,
            ended_at=None,
            result=None,
            failure=None,
            output_bytes=0,
            origin=record.origin or record.id,
            attempt=record.attempt + 1,
            request=None,
        )
        try:
            self._runs.add(again)
        except LivegraftError as error:
            logger.error("the retry of run %s of %s is lost: %s", record.id, record.script, error)
            return
        crash_point("retry written")
        with self._changed:
            if self._accepting:
                following = self._open[again.id] = self._opened(again, entry.given, entry.retries)
                following.is_for_all = entry.is_for_all
                self._alarms.set(wait.total_seconds(), again.id, _DUE)
                self._tell(again)
                return
        self._runs.end(again.id, RunState.CANCELLED, now, failure=RunFailure("cancelled", _STOPPING))

    def _renew(self, entry: OpenRun) -> None:
        """A retry is due, or a run of another process is looked at: make it, of the version that is live now."""
        try:
            work = self._live_work(entry.record.script)
            bound = self._bound(work, entry.given)
        except LivegraftError as error:
            self._end_waiting(entry, RunState.FAILED, RunFailure(error.code, str(error)))
            return
        entry.record = replace(entry.record, key=work.key, revision=work.revision)
        entry.retries = work.header.retries
        self._line_up(entry, work, bound)

    def _move(self, entry: OpenRun, state: RunState, **changes: Any) -> None:
        """The one place where runs change their state."""
        before = entry.record.state
        if state not in TRANSITIONS[before]:
            raise ConflictError(f"run {entry.record.id} is {before}, it cannot become {state}")
        entry.record = replace(entry.record, state=state, **changes)
        if state in OPEN_STATES:
            self._tell(entry.record)

    def _tell(self, record: RunRecord) -> None:
        self._events.emit("run", record.id, script=record.script, state=record.state.value)

    def _handle(self, record: RunRecord, ending: Ending | None) -> Run:
        return Run(record, ending, self.view, self.cancel)

    def _opened(self, record: RunRecord, given: Mapping[str, Any], retries: Retries) -> OpenRun:
        file = None if self._output_folder is None else self._output_folder / record.id
        return OpenRun(record, given, retries, file, self._artifacts)

    # -- all under the lock ----------------------------------------------------------------

    def _in_state(self, *states: RunState) -> list[OpenRun]:
        return [entry for entry in self._open.values() if entry.record.state in states]

    def _is_quiet(self) -> bool:
        """Whether every run is written as ended or stuck."""
        return not self._arriving_count and all(entry.ending.is_written.is_set() for entry in self._open.values())

    def _is_open(self, id: str) -> bool:
        return id in self._open


def _failure_when_asked(asked: Asked, outcome: Outcome) -> RunFailure:
    """Why it ended, and where it was then."""
    kind = _kind(asked.state)
    if outcome.failure is None:
        return RunFailure(kind, asked.reason)
    return replace(outcome.failure, type=kind, message=asked.reason)


def _kind(state: RunState) -> str:
    return "timeout" if state is RunState.TIMED_OUT else "cancelled"
