"""What is compressed: complete pages for who accepts it; never what streams, parts of files, or small answers."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from livegraft.web.compression import Compression

PAGE = "<p>hello</p>" * 1_000


def answered(response: Response, **headers: str) -> tuple[str | None, str]:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Compression(response))
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            return await client.get("/", headers={"Accept-Encoding": "gzip", **headers})

    got = asyncio.run(ask())
    return got.headers.get("Content-Encoding"), got.text


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_page_arrives_whole_and_compressed_for_who_accepts_it(size: int) -> None:
    page = PAGE * (size // 100)
    assert answered(Response(page, media_type="text/html")) == ("gzip", page)
    assert answered(Response(page, media_type="text/html"), **{"Accept-Encoding": "identity"}) == (None, page)


@pytest.mark.parametrize(
    "response",
    [
        StreamingResponse(iter(["data: a\n\n", "data: b\n\n" * 1_000]), media_type="text/event-stream"),
        StreamingResponse(iter([PAGE, PAGE]), media_type="text/html"),
        PlainTextResponse(PAGE),
        Response("short", media_type="text/html"),
        Response(PAGE, 404, media_type="text/html"),
        Response(PAGE, media_type="text/html", headers={"Content-Encoding": "x-made"}),
    ],
    ids=["events", "a stream", "a file of a run", "short", "an error", "already encoded"],
)
def test_nothing_else_is_touched(response: Response) -> None:
    assert answered(response)[0] in (None, "x-made")
