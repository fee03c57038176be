"""Runs sync code on a bounded pool of threads."""

from __future__ import annotations

import contextvars
import itertools
import sys
import threading
from collections import deque
from typing import Final

from livegraft.context import current_run
from livegraft.runner import Job
from livegraft.runner.guard import guard
from livegraft.runner.interrupt import RunCancelledError
from livegraft.runner.outcome import INTERRUPTED, Outcome, outcome_of

SIZE: Final = 16
"""Jobs that execute at once, by default."""

_numbers = itertools.count(1)


class ThreadRunner:
    """See ``livegraft.runner.Runner``. Threads start when they are needed, and are daemons.

    Each stuck job gets its thread replaced, up to ``size`` more threads; from then on the pool is smaller.
    """

    def __init__(self, *, size: int = SIZE) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._idle_count = 0
        self._thread_count = 0
        self._stuck: set[Job] = set()
        self._stopping = False

    def start(self, job: Job) -> None:
        with self._changed:
            self._jobs.append(job)
            self._start_thread_if_needed()
            self._changed.notify()

    def ask(self, job: Job) -> None:
        """Nothing to do: sync code looks at ``cancelled()``."""

    def interrupt(self, job: Job) -> None:
        job.window.interrupt()

    def give_up(self, job: Job) -> bool:
        with self._changed:
            if job.window.thread is not None:
                guard.give_up(job.run)
                self._stuck.add(job)
                self._start_thread_if_needed()
        return False

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _start_thread_if_needed(self) -> None:
        room = self._size + min(len(self._stuck), self._size)
        if len(self._jobs) > self._idle_count and self._thread_count < room:
            self._thread_count += 1
            # Started in an empty context, because the thread must not belong to a run that submits another.
            thread = threading.Thread(target=self._work, name=f"livegraft-run-{next(_numbers)}", daemon=True)
            contextvars.Context().run(thread.start)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if job.begin():
                contextvars.copy_context().run(_execute, job)
            with self._changed:
                self._stuck.discard(job)
            # The thread may wait long for its next job, and must not keep this one until then.
            del job

    def _next(self) -> Job | None:
        """The next job; None when this thread is to end."""
        with self._changed:
            self._idle_count += 1
            while not self._jobs and not self._stopping and not self._too_many():
                self._changed.wait()
            self._idle_count -= 1
            if self._jobs and not self._too_many():
                return self._jobs.popleft()
            self._thread_count -= 1
            return None

    def _too_many(self) -> bool:
        return self._thread_count > self._size + min(len(self._stuck), self._size)


def _execute(job: Job) -> None:
    current_run.set(job.run)
    before = guard.enter(job.run)
    asyncgen_hooks = sys.get_asyncgen_hooks()
    outcome: Outcome | None = None
    try:
        with job.window:
            outcome = _call(job)
    except RunCancelledError:
        pass  # it struck after the code had ended; see livegraft.runner.interrupt
    sys.set_asyncgen_hooks(*asyncgen_hooks)  # they are this thread's, which takes other jobs
    for line in guard.leave(before):
        job.run.output.write(line, "warning")
    job.end(outcome or INTERRUPTED)


def _call(job: Job) -> Outcome:
    call = job.take()
    if call is None:
        return INTERRUPTED
    return outcome_of(lambda: call.function(**call.arguments), call.locate)
