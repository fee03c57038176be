"""Waiting for runs and following them: each follower is a task, none holds a thread."""

from __future__ import annotations

import asyncio
import codecs
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from livegraft.api import shapes
from livegraft.api.caller import known_actor
from livegraft.bars import Progress
from livegraft.run import OPEN_STATES, RunRecord
from livegraft.runner.marks import Mark
from livegraft.runner.output import OutputChunk
from livegraft.supervisor import Supervisor

_FIRST_LOOK_SECONDS: Final = 0.001
_LOOK_SECONDS: Final = 0.1
_KEEP_ALIVE_SECONDS: Final = 15.0
_WRITE_SECONDS: Final = 5.0
"""How long the end of a run may take to be in the history, where the lists of runs come from."""

_PIECE: Final = 1 << 16
_STILL_HERE: Final = ": still here\n\n"


async def wait_for_end(supervisor: Supervisor, id: str, seconds: float) -> RunRecord:
    """The run when it ended, in the history too, or as it is after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_LOOK_SECONDS
    record = await run_in_threadpool(supervisor.find_run, id)
    while record.state in OPEN_STATES and time.monotonic() < deadline:
        await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 2, _LOOK_SECONDS)
        record = await run_in_threadpool(supervisor.find_run, id)
    if record.state not in OPEN_STATES:
        record = await run_in_threadpool(supervisor.wait, id, _WRITE_SECONDS)
    return record


def follow_run(supervisor: Supervisor, id: str, offset: int, request: Request) -> StreamingResponse:
    """The output of a run from a byte offset, as it comes: events ``output`` and ``progress``, at last one ``end``."""
    return _stream(_output(supervisor, id, offset, request))


def follow_events(supervisor: Supervisor, since: str, request: Request) -> StreamingResponse:
    """What happens: events named release, script, run, sync, version and packages; ``missed`` for what is forgotten."""
    return _stream(_events(supervisor, since, request))


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _is_wanted(request: Request) -> bool:
    """Whether somebody still reads, and still may: a session can end while its stream goes on."""
    return known_actor(request) is not None and not await request.is_disconnected()


class _Pauses:
    """The pauses between two looks, and when one of them needs a sign of life."""

    def __init__(self) -> None:
        self._spoke_at = time.monotonic()

    def spoke(self) -> None:
        self._spoke_at = time.monotonic()

    async def next(self) -> bool:
        """Pause; whether it has been quiet for long."""
        await asyncio.sleep(_LOOK_SECONDS)
        return time.monotonic() - self._spoke_at >= _KEEP_ALIVE_SECONDS


async def _output(supervisor: Supervisor, id: str, offset: int, request: Request) -> AsyncIterator[str]:
    pauses = _Pauses()
    # A character may be cut in two where a piece ends: its first bytes wait here, unseen.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    seen = offset
    told: Sequence[Progress] = ()
    yield "retry: 1000\n\n"
    while await _is_wanted(request):
        record, chunk, marks = await run_in_threadpool(_look, supervisor, id, offset)
        if (bars := supervisor.progress(id)) != told:
            told = bars
            pauses.spoke()
            yield _event("progress", {"bars": shapes.bars(bars)}, id=seen)
        if chunk.data:
            start = seen if chunk.offset == offset else chunk.offset
            offset = chunk.next_offset
            before = decoder.getstate()[0]
            text = decoder.decode(chunk.data)
            seen = offset - len(decoder.getstate()[0])
            pauses.spoke()
            yield _event(
                "output",
                {
                    "offset": start,
                    "text": text,
                    "marks": _placed(marks, chunk.offset - len(before), before + chunk.data),
                },
                id=seen,
            )
        elif record.state not in OPEN_STATES:
            ended = await wait_for_end(supervisor, id, 0)
            yield _event("end", shapes.run(ended), id=offset)
            return
        elif await pauses.next():
            pauses.spoke()
            yield _STILL_HERE


def _look(supervisor: Supervisor, id: str, offset: int) -> tuple[RunRecord, OutputChunk, list[Mark]]:
    """How the run is, then its output: what it wrote in between is read by the next look."""
    record, chunk = supervisor.find_run(id), supervisor.read_output(id, offset, _PIECE)
    return record, chunk, supervisor.output_marks(id, chunk.offset, chunk.next_offset) if chunk.data else []


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
    subscription = supervisor.events.subscribe(since)
    pauses = _Pauses()
    try:
        yield "retry: 1000\n\n"
        while await _is_wanted(request):
            event = subscription.get(0)
            if event is not None:
                pauses.spoke()
                yield _event(event.name, {"subject": event.subject, **event.data})
            elif await pauses.next():
                pauses.spoke()
                yield _STILL_HERE
    finally:
        subscription.close()


def _event(name: str, data: dict[str, Any], id: int | None = None) -> str:
    head = "" if id is None else f"id: {id}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"
