"""Every page, looked at by axe-core: no serious fault for those who use a keyboard or a screen reader."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import eventually
from tests.support.pages import faults
from tests.support.screens import PATHS
from tests.support.server import Server


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
        page.locator("#output").wait_for()

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


def test_a_heading_is_no_more_than_a_heading(page: Page, server: Server) -> None:
    runs = [f"/runs/{run['id']}" for run in server.get("/runs")["runs"]]
    for path in (*PATHS, *runs):
        page.goto(server.url + path)
        found = page.locator("main :is(h1, h2, h3) :is(input, select, button, a)").count()
        assert found == 0 or path.startswith("/failures"), path  # there the script itself is the heading


def test_that_no_script_matches_is_announced(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts")
    page.get_by_role("searchbox").fill("zebra")

    expect(page.get_by_role("status").filter(has_text="No script matches.")).to_be_visible()


def test_the_page_that_is_open_is_told_where_colours_are_forced(page: Page, server: Server) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(f"{server.url}/runs")
    edges = (
        page.get_by_role("navigation", name="Main")
        .get_by_role("link")
        .evaluate_all("all => all.map((each) => getComputedStyle(each).borderBottomColor)")
    )

    assert [edges.count(edge) for edge in edges].count(1) == 1
    page.emulate_media(forced_colors="none")


def test_the_state_of_a_run_is_announced_as_it_changes(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/runs/{server.run('fails')['id']}")

    expect(page.get_by_role("status").filter(has_text="failed")).to_be_visible()
