"""A file that livegraft does not take is told to whom misses it, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.pages import a_page
from tests.support.server import Server, a_server_of

PARTY = "party_🎉.py"


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with a_page(browser, server) as page:
        yield page


def test_the_failures_name_the_files_that_were_left_out_and_why(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/failures")

    row = page.locator("#left-out tbody tr")
    expect(row).to_contain_text(PARTY)
    expect(row).to_contain_text("expected a name of letters, digits")


def test_home_leads_to_what_was_left_out_of_a_commit_with_nothing_else(browser: Browser, tmp_path: Path) -> None:
    with a_server_of({PARTY: "def run() -> None: ...\n"}, tmp_path) as server, a_page(browser, server) as page:
        page.goto(server.url)
        page.locator("#first-steps").get_by_role("link", name="1 file was left out").click()

        expect(page.locator("#left-out")).to_contain_text(PARTY)
