"""What pages load beside themselves is asked for once, until it is another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from xml.etree import ElementTree

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from livegraft.web.static_files import FOLDER, StaticFilesByContent, address, content_hash

APP = Starlette(routes=[Mount("/static", StaticFilesByContent())])


def headers(path: str) -> Mapping[str, str]:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://pages") as client:
            return await client.get(f"/static/{path}")

    answer = asyncio.run(ask())
    assert answer.status_code == 200, path
    return answer.headers


def test_every_script_and_all_that_it_imports_is_kept() -> None:
    """What is imported is named from where the script that imports it is."""
    for script in FOLDER.glob("*.js"):
        assert "immutable" in headers(address(script.name))["cache-control"]
        for imported in re.findall(r"""(?:from|import\()\s*"(.*?)\"""", script.read_text(encoding="utf-8")):
            beside = httpx.URL(f"http://pages/static/{address(script.name)}").join(imported)
            assert "immutable" in headers(beside.path.removeprefix("/static/"))["cache-control"]


def test_a_page_of_another_release_gets_what_is_here_and_keeps_it_not() -> None:
    assert content_hash() != "0123456789ab"
    assert headers("0123456789ab/livegraft.js")["cache-control"] == "no-cache"


def test_what_is_asked_for_by_its_bare_name_is_not_kept() -> None:
    assert headers("livegraft.js")["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["mark", "mark-running", "mark-failed"])
def test_a_mark_of_a_tab_is_not_cut_off(name: str) -> None:
    """At sixteen pixels nothing but its round part is seen."""
    svg = ElementTree.parse(FOLDER / f"{name}.svg").getroot()
    circle = svg.find("{http://www.w3.org/2000/svg}circle")
    assert circle is not None
    x, y, r = (float(circle.attrib[part]) for part in ("cx", "cy", "r"))
    r += float(svg.attrib["stroke-width"]) / 2

    assert min(x - r, y - r) >= 0
    assert max(x + r, y + r) <= 24
