"""Runs that somebody follows: however many do, each run is looked at once for each news of it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool

from livegraft.bars import Progress
from livegraft.run import OPEN_STATES, RunRecord
from livegraft.runner.marks import Mark
from livegraft.runner.output import OutputChunk
from livegraft.supervisor import Supervisor

NEWS_SECONDS: Final = 0.05
"""News that come faster are told together."""

_BEAT_SECONDS: Final = 0.1
"""How often the bars of a run are looked at, which tell nobody when they move, and a run of another process."""

_BEATS_WITHOUT_NEWS: Final = 10
"""A look without news now and then: an interrupted writer may have told nobody."""

_PIECE: Final = 1 << 16
_LOOKS: Final = 32


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it was, then a piece of its output: what it wrote in between is in the next one."""

    record: RunRecord
    chunk: OutputChunk
    marks: Sequence[Mark]


class Followed:
    """One run, for all who follow it in one event loop."""

    def __init__(self, supervisor: Supervisor, id: str) -> None:
        self.id = id
        self.follower_count = 0
        self.bars: Sequence[Progress] = ()
        self._supervisor = supervisor
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._looks: OrderedDict[int, asyncio.Task[Look]] = OrderedDict()
        self._told_at = 0.0
        self._is_coming = False
        self._beating = self._loop.create_task(self._beat())

    @property
    def news(self) -> asyncio.Event:
        """Set at the next news. Take it before a look, so that nothing is missed between the two."""
        return self._news

    async def look(self, offset: int) -> Look:
        """The run and its output from a byte offset on; those who want the same share a look."""
        task = self._looks.get(offset)
        if task is None:
            task = self._looks[offset] = self._loop.create_task(self._looked(offset))
            if len(self._looks) > _LOOKS:
                self._looks.popitem(last=False)
        return await asyncio.shield(task)

    async def look_anew(self, offset: int) -> Look:
        """As it is now, whatever others saw."""
        return await self._looked(offset)

    def _looked(self, offset: int) -> Coroutine[None, None, Look]:
        return run_in_threadpool(self._look, offset)

    def _look(self, offset: int) -> Look:
        supervisor, id = self._supervisor, self.id
        record, chunk = supervisor.find_run(id), supervisor.read_output(id, offset, _PIECE)
        marks = supervisor.output_marks(id, chunk.offset, chunk.next_offset) if chunk.data else []
        return Look(record, chunk, marks)

    def told(self) -> None:
        """There is news; called by the thread that makes it, which goes on at once."""
        if not self._is_coming:
            self._is_coming = True
            with suppress(RuntimeError):  # the loop was closed, nobody follows any more
                self._loop.call_soon_threadsafe(self._hear)

    def _hear(self) -> None:
        pause = self._told_at + NEWS_SECONDS - self._loop.time()
        if pause > 0:
            self._loop.call_later(pause, self._tell)
        else:
            self._tell()

    def _tell(self) -> None:
        self._is_coming = False
        self._told_at = self._loop.time()
        self._looks.clear()
        before, self._news = self._news, asyncio.Event()
        before.set()

    async def _beat(self) -> None:
        beats = 0
        while True:
            beats += 1
            is_told = self._supervisor.listen(self.id, self.told)
            bars = self._supervisor.progress(self.id)
            if bars != self.bars or not beats % (_BEATS_WITHOUT_NEWS if is_told else 2):
                self.bars = bars
                self._tell()
            await asyncio.sleep(_BEAT_SECONDS)

    def close(self) -> None:
        self._beating.cancel()
        self._supervisor.unlisten(self.id, self.told)


class FollowedRuns:
    """The runs that are followed now."""

    def __init__(self) -> None:
        self._found: dict[tuple[asyncio.AbstractEventLoop, str], Followed] = {}

    @asynccontextmanager
    async def follow(self, supervisor: Supervisor, id: str) -> AsyncIterator[Followed]:
        place = (asyncio.get_running_loop(), id)
        followed = self._found.get(place)
        if followed is None:
            followed = self._found[place] = Followed(supervisor, id)
        followed.follower_count += 1
        try:
            yield followed
        finally:
            followed.follower_count -= 1
            if not followed.follower_count:
                del self._found[place]
                followed.close()


async def until_ended(followed: Followed, seconds: float) -> RunRecord:
    """The run when it ended, or as it is after so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        news = followed.news
        record = (await followed.look(0)).record
        left = deadline - asyncio.get_running_loop().time()
        if record.state not in OPEN_STATES or left <= 0:
            return record
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), left)
