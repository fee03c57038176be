"""Waiting for runs and following them: each follower is a task, none holds a thread and none asks again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from livegraft.api import shapes
from livegraft.api.caller import known_actor
from livegraft.api.followed import Followed, FollowedRuns, Look, until_ended
from livegraft.bars import Progress
from livegraft.events import MISSED
from livegraft.run import OPEN_STATES, RunRecord
from livegraft.runner.marks import Mark
from livegraft.supervisor import Supervisor

_KEEP_ALIVE_SECONDS: Final = 15.0
_WANTED_SECONDS: Final = 1.0
"""How often it is looked whether somebody still reads, and still may."""

_WRITE_SECONDS: Final = 5.0
"""How long the end of a run may take to be in the history, where the lists of runs come from."""

_STILL_HERE: Final = ": still here\n\n"


async def wait_for_end(supervisor: Supervisor, runs: FollowedRuns, id: str, seconds: float) -> RunRecord:
    """The run when it ended, in the history too, or as it is after so many seconds."""
    if not seconds:
        return await run_in_threadpool(supervisor.find_run, id)
    async with runs.follow(supervisor, id) as followed:
        record = await until_ended(followed, seconds)
    if record.state not in OPEN_STATES:
        record = await run_in_threadpool(supervisor.wait, id, _WRITE_SECONDS)
    return record


def follow_run(supervisor: Supervisor, runs: FollowedRuns, id: str, offset: int, request: Request) -> StreamingResponse:
    """The output of a run from a byte offset, as it comes: events ``output`` and ``progress``, at last one ``end``."""
    return _stream(_output(supervisor, runs, id, offset, request))


def follow_events(supervisor: Supervisor, since: str, request: Request) -> StreamingResponse:
    """What happens from now on, or after a position: events named release, script, run, sync, version and so on.

    An event ``missed`` says that some before it are gone: who keeps a state by them reads it anew.
    """
    return _stream(_events(supervisor, since, request))


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


class _Reader:
    """Who reads a stream: whether they still do, and when they need a sign of life."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._now = asyncio.get_running_loop().time
        self._spoke_at = self._now()
        self._looked_at = 0.0

    def spoke(self) -> None:
        self._spoke_at = self._now()

    async def is_there(self) -> bool:
        """A session can end while its stream goes on."""
        if self._now() - self._looked_at < _WANTED_SECONDS:
            return True
        self._looked_at = self._now()
        return known_actor(self._request) is not None and not await self._request.is_disconnected()

    async def waits(self, news: asyncio.Event) -> bool:
        """Wait for news, for a while; whether it has been quiet for long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), _WANTED_SECONDS)
        return self._now() - self._spoke_at >= _KEEP_ALIVE_SECONDS


async def _output(
    supervisor: Supervisor, runs: FollowedRuns, id: str, offset: int, request: Request
) -> AsyncIterator[str]:
    reader = _Reader(request)
    told: Sequence[Progress] = ()
    yield "retry: 1000\n\n"
    async with runs.follow(supervisor, id) as followed:
        while await reader.is_there():
            news = followed.news
            look = await followed.look(offset)
            if (bars := followed.bars) != told:
                told = bars
                reader.spoke()
                yield _event("progress", {"bars": shapes.bars(bars)}, id=offset)
            if data := await _whole_characters(followed, look):
                text = data.decode("utf-8", "replace")
                start, offset = look.chunk.offset, look.chunk.offset + len(data)
                marks = _placed([mark for mark in look.marks if mark[0] < offset], start, data)
                reader.spoke()
                yield _event("output", {"offset": start, "text": text, "marks": marks}, id=offset)
            elif look.record.state not in OPEN_STATES:
                ended = await run_in_threadpool(supervisor.wait, id, _WRITE_SECONDS)
                yield _event("end", shapes.run(ended), id=offset)
                return
            elif await reader.waits(news):
                reader.spoke()
                yield _STILL_HERE


async def _whole_characters(followed: Followed, look: Look) -> bytes:
    """The piece without the first bytes of a character that is cut where it ends: they come again with the rest."""
    data = look.chunk.data
    whole = data[: len(data) - _cut(data)]
    if whole or not data:
        return whole
    if look.record.state in OPEN_STATES and not (await followed.look(look.chunk.next_offset)).chunk.data:
        return b""  # the rest is still to come
    if len((await followed.look_anew(look.chunk.offset)).chunk.data) > len(data):
        return b""  # it came a moment ago
    return data  # it never comes: what was after it is lost


def _cut(data: bytes) -> int:
    """How many bytes at the end are the begin of a character that goes on."""
    for count in range(1, min(3, len(data)) + 1):
        byte = data[-count]
        if byte >= 0xC0:
            return count if count < (2 + (byte >= 0xE0) + (byte >= 0xF0)) else 0
        if byte < 0x80:
            return 0
    return 0


def _placed(marks: list[Mark], start: int, data: bytes) -> list[tuple[int, int, str]]:
    """Marks with their places in the text of ``data``, which is at ``start``, counted as browsers count: in UTF-16."""
    placed, place = [], 0
    for offset, at_ms, level in marks:
        passed = data[: offset - start].decode("utf-8", "replace")
        data, start = data[offset - start :], offset
        place += (
            len(passed) + sum(character > "\uffff" for character in passed) if not passed.isascii() else len(passed)
        )
        placed.append((place, at_ms, level))
    return placed


async def _events(supervisor: Supervisor, since: str, request: Request) -> AsyncIterator[str]:
    reader, loop, news = _Reader(request), asyncio.get_running_loop(), asyncio.Event()

    def told() -> None:
        with suppress(RuntimeError):  # the loop was closed, nobody listens any more
            loop.call_soon_threadsafe(news.set)

    subscription = supervisor.events.subscribe(since, told)
    lost_count = 0
    try:
        yield "retry: 1000\n\n"
        while await reader.is_there():
            news.clear()
            event = subscription.get(0)
            if lost_count != subscription.lost_count:
                lost_count = subscription.lost_count
                yield _event(MISSED, {"subject": ""})
            if event is not None:
                reader.spoke()
                yield _event(event.name, {"subject": event.subject, **event.data})
            elif await reader.waits(news):
                reader.spoke()
                yield _STILL_HERE
    finally:
        subscription.close()


def _event(name: str, data: Mapping[str, Any], id: int | None = None) -> str:
    head = "" if id is None else f"id: {id}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"
