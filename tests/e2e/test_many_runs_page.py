"""Many runs in a real browser: filters that stay in the address, the picture over time, and what is done with many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.pages import a_page
from tests.support.server import Server, a_server_of

SCRIPTS = {
    "reports/daily.py": '# /// script\n# [tool.livegraft]\n# tags = ["money"]\n# ///\ndef run(day: str): return day\n',
    "fails.py": "def run():\n    raise LookupError('no such order')\n",
    "waits.py": """
import time
from livegraft import cancelled
def run():
    while not cancelled():
        time.sleep(0.01)
""",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with a_server_of(SCRIPTS, tmp_path_factory.mktemp("many")) as server:
        for day in ("sunday", "sunday"):
            server.run("reports/daily", day=day)
        server.run("fails")
        yield server


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with a_page(browser, server) as page:
        yield page


def test_filters_stay_in_the_address_and_narrow_what_is_shown(server: Server, page: Page) -> None:
    for day in ("may day", "new year"):
        server.run("reports/daily", day=day)
    page.goto(f"{server.url}/runs?script=reports/daily")
    rows = page.locator("table.runs tbody tr")
    expect(rows.nth(1)).to_be_visible()
    expect(page.locator(".scatter circle")).to_have_count(rows.count())

    page.get_by_text("More filters").click()
    page.get_by_label("Text").fill("may day")
    page.get_by_label("Text").press("Enter")
    expect(rows).to_have_count(1)
    assert "text=may+day" in page.url
    page.get_by_label("Tag").fill("money")
    page.get_by_label("Tag").press("Enter")
    page.get_by_role("link", name="succeeded", exact=True).first.click()
    expect(rows).to_have_count(1)
    assert all(part in page.url for part in ("text=may+day", "tag=money", "state=succeeded"))

    page.get_by_label("From").fill((datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Show").last.click()
    expect(page.get_by_text("No runs match")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Text")).to_have_value("may day")


def test_a_point_of_the_picture_leads_to_its_run(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/runs")
    page.locator(".scatter circle.failed").first.click()

    expect(page.locator("main")).to_contain_text("no such order")


def test_chosen_runs_are_cancelled_and_the_choice_outlives_a_refresh_of_the_page(server: Server, page: Page) -> None:
    stays, goes = (server.post("/scripts/waits/runs")["id"] for _ in range(2))
    page.goto(f"{server.url}/runs?script=waits")
    page.get_by_role("checkbox", name=goes).check()
    third = server.post("/scripts/waits/runs")["id"]
    expect(page.get_by_role("checkbox", name=third)).to_be_visible()
    expect(page.get_by_role("checkbox", name=goes)).to_be_checked()

    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("heading", name="1 of 1 asked to stop")).to_be_visible()
    page.get_by_role("link", name=goes).click()
    expect(page.locator("#failure .what")).to_have_text("cancelled by link")
    assert server.get(f"/runs/{stays}")["state"] == "running"

    page.goto(f"{server.url}/runs?script=waits")
    page.get_by_text("With all that match").click()
    page.get_by_role("button", name="Cancel all that go").click()
    expect(page.get_by_role("heading", name="2 of 2 asked to stop")).to_be_visible()


def test_runs_on_the_page_are_chosen_at_once_and_run_again(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/runs?script=reports/&text=sunday")
    page.get_by_role("checkbox", name="Choose every run on this page").check()
    page.get_by_role("button", name="Run again", exact=True).click()

    expect(page.get_by_role("heading", name="2 of 2 run again")).to_be_visible()
    expect(page.get_by_role("row").nth(1)).to_contain_text("reports/")
    page.reload()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    assert len(server.get("/runs?script=reports/&text=sunday")["runs"]) == 4
