"""The API and the way in, mounted somewhere in a host's own application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from livegraft.access import COOKIE
from tests.support.api import Api, an_api

PREFIX = "/inner/livegraft"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with an_api(tmp_path, {"dir/a.py": "def run(): return 1\n"}, prefix=PREFIX) as api:
        yield api


def test_it_answers_below_the_prefix(api: Api) -> None:
    assert api.run("dir/a")["result"] == 1
    assert api.send("GET", "/scripts", {}).status_code == 401
    assert api.get("/nothing", 404)["error"]["code"] == "not_found"


def test_its_description_counts_from_the_prefix(api: Api) -> None:
    assert api.get("/openapi.json")["servers"] == [{"url": f"{PREFIX}/api/v1"}]


def test_a_link_signs_in_below_the_prefix_and_nowhere_else(api: Api) -> None:
    link = f"{api.origin}{PREFIX}/login?token={api.access.new_login_token()}"

    first, second = httpx.get(link), httpx.get(link)

    assert first.headers["Location"].startswith(f"{PREFIX}/")
    cookie = first.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert f"Path={PREFIX}" in cookie
    assert "HttpOnly" in cookie
    assert second.status_code == 401
    assert "Set-Cookie" not in second.headers
    session = {"Cookie": cookie.partition(";")[0]}
    assert api.send("GET", "/scripts", session).status_code == 200
