"""Runs async code on an event loop of its own, on a thread of its own.

``SystemExit`` and ``KeyboardInterrupt`` end an event loop when they come out of a task or a
callback. The one of a run never does: the coroutine's end is caught first. One out of something
that the run started on the side leaves the loop, which is then entered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
import types
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar
from weakref import WeakSet

from livegraft.context import CurrentRun, current_run
from livegraft.runner import Call, Job
from livegraft.runner.guard import guard
from livegraft.runner.interrupt import RunCancelledError, Window
from livegraft.runner.outcome import INTERRUPTED, Outcome, failed, returned

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOPS_LIMIT: Final = 4
"""Loops at most, all but one of them blocked by code that never awaits."""

LEFTOVERS_SECONDS: Final = 2.0
"""How long the end of a run waits for the tasks that it left behind, which are cancelled."""


class TaskRunner:
    """See ``livegraft.runner.Runner``. The first job starts the loop; a blocked loop is replaced by another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops: list[_Loop] = []
        self._waiting: dict[Job, None] = {}
        self._stopping = False

    def start(self, job: Job) -> None:
        with self._lock:
            if not self._loops:
                self._loops.append(_Loop(self._taken))
            self._waiting[job] = None
            self._loops[-1].submit(job)

    def ask(self, job: Job) -> None:
        for loop in self._loops:
            loop.cancel(job)

    def interrupt(self, job: Job) -> None:
        if not job.window.interrupt():
            self.ask(job)

    def give_up(self, job: Job) -> bool:
        """Code that is between two awaits blocks its loop: jobs that wait for it, and all later ones, get another."""
        guard.give_up(job.run)
        with self._lock:
            if job.window.thread != self._loops[-1].thread.ident:
                return False
            self._retire_idle_loops()
            if len(self._loops) < LOOPS_LIMIT:
                self._loops.append(_Loop(self._taken))
                for waiting in self._waiting:
                    self._loops[-1].submit(waiting)
        return False

    def stop(self) -> None:
        with self._lock:
            for loop in self._loops:
                loop.stop()

    def _retire_idle_loops(self) -> None:
        """Stop those that were blocked once and have come back since."""
        for loop in [loop for loop in self._loops if not loop.is_busy]:
            self._loops.remove(loop)
            loop.stop()

    def _taken(self, job: Job) -> None:
        with self._lock:
            self._waiting.pop(job, None)


class _Loop:
    """One event loop on its thread."""

    def __init__(self, taken: Callable[[Job], None]) -> None:
        self._taken = taken
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        # A task that is cancelled before its first step never runs at all, and its run would never end.
        self._started: set[Job] = set()
        self._side_tasks: dict[CurrentRun, WeakSet[asyncio.Task[Any]]] = {}
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._make_task)  # type: ignore[arg-type] # typeshed wants a plain generic function
        self._loop.set_default_executor(_Executor(thread_name_prefix="livegraft-task-executor"))
        # Started in an empty context, because the thread must not belong to a run that submits another.
        self.thread = threading.Thread(target=self._serve, name="livegraft-tasks", daemon=True)
        contextvars.Context().run(self.thread.start)

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks)

    def submit(self, job: Job) -> None:
        contextvars.Context().run(self._loop.call_soon_threadsafe, self._begin, job)

    def cancel(self, job: Job) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._cancel, job)

    def stop(self) -> None:
        """End with the last task."""
        # One that does not want to end goes on, as it would on a thread. Thrown away, it would be told to end by
        # whatever thread collects it, the main one at the latest, and that would never come back.
        self._stopping = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop_when_idle)

    def _stop_when_idle(self) -> None:
        if self._stopping and not self._tasks:
            self._loop.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._stopping or self._tasks:
            try:
                self._loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - see the module's docstring
                logger.warning("%s out of something that a run started on the side", type(error).__name__)
        asyncio.set_event_loop(None)
        self._loop.close()

    def _begin(self, job: Job) -> None:
        self._taken(job)
        if job.begin():
            self._tasks[job] = self._loop.create_task(self._run(job), name=f"run {job.run.id}")

    def _cancel(self, job: Job) -> None:
        if job in self._started:
            self._tasks[job].cancel()

    async def _run(self, job: Job) -> None:
        current_run.set(job.run)
        before = guard.enter(job.run)
        self._started.add(job)
        if job.run.cancel_requested:
            self._tasks[job].cancel()
        side_tasks = self._side_tasks[job.run] = WeakSet[asyncio.Task[Any]]()
        outcome: Outcome | None = None
        with contextlib.suppress(asyncio.CancelledError):  # asked when the code had already come to its end
            outcome = await _outcome(job)
        left = [task for task in side_tasks if not task.done()]
        names = [task.get_name() for task in left]
        with contextlib.suppress(asyncio.CancelledError):
            await _end(left)
        del left
        self._started.discard(job)
        del self._side_tasks[job.run], self._tasks[job]
        for line in guard.leave(before, names):
            job.run.output.write(line, "warning")
        job.end(outcome or INTERRUPTED)
        self._loop.call_soon(self._stop_when_idle)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        """The loop's task factory: remembers which tasks a run starts."""
        task = asyncio.Task(coroutine, loop=loop, **options)
        run = current_run.get()
        if run in self._side_tasks:
            self._side_tasks[run].add(task)
        return task


class _Executor(ThreadPoolExecutor):
    """For blocking calls of async runs: each belongs to the run that makes it, the threads to none."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        start: Callable[..., Future[T]] = super().submit
        return contextvars.Context().run(start, contextvars.copy_context().run, fn, *args, **kwargs)


async def _outcome(job: Job) -> Outcome:
    call = job.take()
    if call is None:
        return INTERRUPTED
    try:
        value = await _stepwise(_coroutine(call), job.window)
    except BaseException as error:  # noqa: BLE001 - SystemExit and its like must not reach the task's own step
        return _described(partial(failed, error, call.locate), job.window)
    return _described(partial(returned, value), job.window)


async def _coroutine(call: Call) -> Any:
    return await call.function(**call.arguments)


def _described(describe: Callable[[], Outcome], window: Window) -> Outcome:
    # Values and exceptions describe themselves by the script's code, which may not end either.
    outcome = INTERRUPTED
    with contextlib.suppress(RunCancelledError), window:
        outcome = describe()
    return outcome


@types.coroutine
def _stepwise(coroutine: Coroutine[Any, Any, T], window: Window) -> Generator[Any, Any, T]:
    """Await a coroutine; the window is open while its own code executes, and not while it waits."""
    try:
        return (yield from _Steps(coroutine, window))
    finally:
        # After an interrupt that struck outside of it, it is not at its end. What it raises now has no reader.
        with contextlib.suppress(BaseException):
            coroutine.close()


class _Steps(Generator[Any, Any, T]):
    """The steps of a coroutine, each in the window."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], window: Window) -> None:
        self.driven = coroutine
        self._window = window

    def send(self, value: Any) -> Any:
        with self._window:
            return self.driven.send(value)

    def throw(self, *error: Any) -> Any:
        with self._window:
            return self.driven.throw(*error)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel what a run left behind, as ``asyncio.run`` does."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=LEFTOVERS_SECONDS)
