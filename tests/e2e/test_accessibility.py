"""Every page, looked at by axe-core: no serious fault for those who use a keyboard or a screen reader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support import eventually
from tests.support.pages import faults
from tests.support.server import Server, a_server_of

SCRIPTS = {
    "reports/daily.py": '''
# cron: 0 7 * * * Europe/Berlin
"""Counts the orders of a day."""
from datetime import date
from typing import Annotated, Literal
from pydantic import Field, SecretStr
import livegraft
def run(day: date = date(2026, 1, 31), count: Annotated[int, Field(ge=1, le=9)] = 3,
        kind: Literal["net", "gross"] = "net", tags: list[str] = [], token: SecretStr = SecretStr("")):
    print("\\x1b[31mred\\x1b[0m and \\x1b[2mdim\\x1b[0m")
    for each in livegraft.progress(range(3), "orders"):
        livegraft.shared("counters")["orders"] = each
    return [{"order": each, "total": each * 1.5} for each in range(3)]
''',
    "broken.py": "def run(:\n",
    "fails.py": "def run() -> None:\n    raise LookupError('no such order')\n",
}
PATHS = ("/", "/scripts", "/runs", "/releases", "/releases/1", "/failures", "/schedule", "/system",
         "/system?stacks=1", "/shared", "/shared/counters", "/audit", "/access",
         "/scripts/reports/daily", "/scripts/reports/daily/changes", "/scripts/broken", "/scripts/fails")  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with a_server_of(SCRIPTS, tmp_path_factory.mktemp("site")) as server:
        for script in ("reports/daily", "fails"):
            server.post(f"/scripts/{script}/runs?wait=20", {"arguments": {}})
        yield server


@pytest.fixture(scope="module", params=["light", "dark"])
def page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = browser.new_context(color_scheme=request.param).new_page()
    page.goto(f"{server.url}/login?token={server.post('/links')['login_token']}")
    yield page
    page.context.close()


@pytest.mark.parametrize("path", PATHS)
def test_a_page_has_no_serious_fault(page: Page, server: Server, path: str) -> None:
    page.goto(server.url + path)

    assert faults(page) == []


def test_the_pages_of_runs_have_no_serious_fault(page: Page, server: Server) -> None:
    for run in server.get("/runs")["runs"]:
        page.goto(f"{server.url}/runs/{run['id']}")
        page.locator("[data-output]").wait_for()

        assert faults(page) == []


def test_the_palette_and_the_keys_have_no_serious_fault(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.keyboard.press("Control+k")
    page.keyboard.type("daily")
    eventually(lambda: page.get_by_role("option").count())
    assert faults(page) == []

    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert faults(page) == []
