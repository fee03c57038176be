"""The pages without a mouse: what opens closes again, and the focus is never lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.pages import a_page
from tests.support.server import Server


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with a_page(browser, server) as page:
        yield page


def opened(page: Page, summary: str) -> Locator:
    """What a summary opens, opened by the keyboard, with the focus on the first field in it."""
    found = page.locator("summary", has_text=summary)
    found.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.locator("details[open]").filter(has=found)
    expect(inside.locator("input").first).to_be_focused()
    return found


@pytest.mark.parametrize(
    ("path", "summary"), [("/scripts/reports/daily", "Quarantine this script"), ("/releases", "Hold")]
)
def test_escape_closes_what_is_open_and_goes_back_to_what_opened_it(
    page: Page, server: Server, path: str, summary: str
) -> None:
    page.goto(server.url + path)
    opener = opened(page, summary)
    page.keyboard.press("Escape")

    expect(page.locator("details[open]")).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_menu_closes_on_a_click_beside_it(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/releases")
    opened(page, "Hold")
    page.get_by_role("heading", name="Releases").click()

    expect(page.locator("details.menu[open]")).to_have_count(0)


def test_a_slash_goes_to_the_search_of_the_output(page: Page, server: Server) -> None:
    run = next(each for each in server.get("/runs")["runs"] if each["script"] == "reports/daily")
    page.goto(f"{server.url}/runs/{run['id']}")
    page.keyboard.press("/")

    expect(page.get_by_label("Search the output")).to_be_focused()
