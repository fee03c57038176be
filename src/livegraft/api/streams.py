"""Server-sent events: the output of a run, and what happens. Each follower is a task, none holds a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from livegraft.api import shapes
from livegraft.run import OPEN_STATES
from livegraft.supervisor import Supervisor

_LOOK_SECONDS: Final = 0.1
_KEEP_ALIVE_SECONDS: Final = 15.0
_PIECE: Final = 1 << 16


def follow_run(supervisor: Supervisor, id: str, offset: int, request: Request) -> StreamingResponse:
    """The output of a run from a byte offset, as it comes: events ``output``, at the end one ``end``."""
    return _stream(_output(supervisor, id, offset, request))


def follow_events(supervisor: Supervisor, request: Request) -> StreamingResponse:
    """What happens from now on: events named release, script, run, sync and version."""
    return _stream(_events(supervisor, request))


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _output(supervisor: Supervisor, id: str, offset: int, request: Request) -> AsyncIterator[str]:
    quiet_seconds = 0.0
    yield "retry: 1000\n\n"
    while not await request.is_disconnected():
        # Asked before reading: what is written in between is read in the next turn.
        record = await run_in_threadpool(supervisor.find_run, id)
        chunk = await run_in_threadpool(supervisor.read_output, id, offset, _PIECE)
        if chunk.data:
            offset, quiet_seconds = chunk.next_offset, 0.0
            text = chunk.data.decode("utf-8", "replace")
            yield _event("output", {"offset": chunk.offset, "text": text}, id=str(offset))
        elif record.state not in OPEN_STATES:
            yield _event("end", shapes.run(record), id=str(offset))
            return
        else:
            await asyncio.sleep(_LOOK_SECONDS)
            quiet_seconds += _LOOK_SECONDS
            if quiet_seconds >= _KEEP_ALIVE_SECONDS:
                quiet_seconds = 0.0
                yield ": still here\n\n"


async def _events(supervisor: Supervisor, request: Request) -> AsyncIterator[str]:
    subscription = supervisor.events.subscribe()
    quiet_seconds = 0.0
    try:
        yield "retry: 1000\n\n"
        while not await request.is_disconnected():
            event = subscription.get(0)
            if event is not None:
                quiet_seconds = 0.0
                yield _event(event.name, {"subject": event.subject, **event.data})
                continue
            await asyncio.sleep(_LOOK_SECONDS)
            quiet_seconds += _LOOK_SECONDS
            if quiet_seconds >= _KEEP_ALIVE_SECONDS:
                quiet_seconds = 0.0
                yield ": still here\n\n"
    finally:
        subscription.close()


def _event(name: str, data: dict[str, Any], id: str = "") -> str:
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"
