"""Times in a real browser: the zone in which they are written out, the audit by who, what and when, the usual time."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.pages import a_page
from tests.support.server import Server, a_server_of

SCRIPTS = {
    "helpers/money.py": "def total(n):\n    return n\n",
    "pays.py": "from helpers.money import total\ndef run(name: str = 'x'):\n    return total(3)\n",
    "daily.py": "# cron: 0 7 1 1 * Asia/Tokyo\ndef run(name: str = 'x'):\n    print('hello')\n",
    "fails.py": "def run():\n    raise LookupError('no such order')\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with a_server_of(SCRIPTS, tmp_path_factory.mktemp("times")) as server:
        for script in ("daily", "daily", "fails"):
            server.run(script)
        yield server


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with a_page(browser, server, timezone_id="America/New_York") as page:
        yield page


def test_times_are_written_in_the_zone_that_was_chosen_in_every_tab(server: Server, page: Page) -> None:
    run = server.get("/runs?script=daily")["runs"][0]
    page.goto(f"{server.url}/runs/{run['id']}")
    page.get_by_label("times").check()
    exact, line = page.locator("time[data-exact]"), page.locator("#log .line").first
    expect(exact).to_have_text(re.compile("UTC$"))
    expect(line).to_have_attribute("data-at", re.compile(run["started_at"][11:13]))
    hours = {"utc": int(run["started_at"][11:13])}
    other = page.context.new_page()
    other.goto(f"{server.url}/runs")

    for zone, name in (("here", re.compile("GMT-[45]$")), ("script", re.compile(r"GMT\+9$"))):
        page.get_by_label("Time zone").select_option(zone)
        expect(exact).to_have_text(name)
        hours[zone] = int(exact.inner_text()[11:13])
        expect(line).to_have_attribute("data-at", re.compile(f"^{hours[zone]:02}:"))
    assert (hours["script"] - hours["utc"]) % 24 == 9
    assert (hours["here"] - hours["utc"]) % 24 in (19, 20)

    # The list of all scripts' runs has no zone of its own.
    page.get_by_label("Time zone").select_option("here")
    expect(other.locator("time[data-relative]").first).to_have_attribute("title", re.compile("GMT-[45]$"))
    other.close()
    page.get_by_label("Time zone").select_option("utc")
    expect(exact).to_have_text(re.compile("UTC$"))


def test_the_audit_is_found_by_who_what_and_when(server: Server, page: Page) -> None:
    server.post("/scripts/fails/pause", {"reason": "not now"})
    page.goto(f"{server.url}/audit")
    rows = page.locator("main tbody tr")
    page.get_by_role("link", name="pause", exact=True).click()
    expect(rows).to_have_count(1)
    assert "action=pause" in page.url
    page.get_by_label("To", exact=True).fill("daily")
    page.get_by_label("To", exact=True).press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    page.get_by_text("Between two times").click()
    page.get_by_label("From").fill("2100-01-01T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_a_run_tells_what_its_script_usually_takes(server: Server, page: Page) -> None:
    newest = server.get("/runs?script=daily")["runs"][0]["id"]
    page.goto(f"{server.url}/runs/{newest}")

    expect(page.locator(".strip")).to_contain_text(re.compile(r"usually \d+ ms"))


def test_a_script_tells_what_it_imports_how_long_it_took_and_how_to_call_it(server: Server, page: Page) -> None:
    for _ in range(2):
        server.run("pays", name="dana & co")
    page.goto(f"{server.url}/scripts/pays")

    expect(page.locator("#imports")).to_contain_text("helpers/money.py")
    expect(page.locator("#runs .scatter circle")).to_have_count(2)
    page.get_by_label("name", exact=True).fill("dana & co")
    page.get_by_text("Run it from elsewhere").click()
    expect(page.get_by_label("Command")).to_have_text(f"livegraft start --url {server.url} pays '--name=dana & co'")
    expect(page.get_by_label("curl")).to_contain_text("""-d '{"arguments": {"name": "dana & co"}}'""")
