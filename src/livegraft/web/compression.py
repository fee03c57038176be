"""Answers are compressed that stand complete: pages, styles, scripts, JSON. What streams goes out as it comes."""

from __future__ import annotations

import gzip
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KINDS: Final = frozenset(
    {"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"}
)
_LEVEL: Final = 5
"""Of a list of scripts a higher one saves a twentieth, and takes twice as long."""

_FEWEST_BYTES: Final = 1_000
_LONG_BYTES: Final = 1 << 16
"""More than this is compressed beside the event loop."""


class Compression:
    """Compresses for who accepts gzip. Streams of events and files that runs made are passed on untouched.

    It is not that of Starlette: the older of the versions that hosts have hold streams of events back.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and _accepts(Headers(scope=scope)):
            send = _Answer(send).send
        await self._app(scope, receive, send)


class _Answer:
    """One answer: its start is held back until it is known whether all of it follows at once."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_kind(message):
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            self._start = message
            return
        start, self._start = self._start, None
        if start is None:
            await self._send(message)
            return
        body = message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body") and len(body) >= _FEWEST_BYTES:
            packed = await run_in_threadpool(_pack, body) if len(body) > _LONG_BYTES else _pack(body)
            headers = MutableHeaders(scope=start)
            headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(packed))
            message = {**message, "body": packed}
        await self._send(start)
        await self._send(message)


def _pack(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)


def _accepts(headers: Headers) -> bool:
    return "gzip" in headers.get("Accept-Encoding", "") and "Range" not in headers


def _is_kind(start: Message) -> bool:
    headers = Headers(raw=list(start.get("headers", ())))
    kind = headers.get("Content-Type", "").partition(";")[0].strip()
    return kind in _KINDS and start["status"] == 200 and "Content-Encoding" not in headers
