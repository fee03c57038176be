"""Connections that drop and come back, and two tabs: what is shown is what is there, each line once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.api import Api, an_api
from tests.support.between import serving
from tests.support.relay import Relay

COUNTS = """
    import time

    def run(lines: int = 60):
        for n in range(lines):
            print('line', n)
            time.sleep(0.1)
        return 'counted'
    """
WAITS = """
    from livegraft import cancelled
    import time

    def run():
        while not cancelled():
            time.sleep(0.005)
    """


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with an_api(tmp_path, {"counts.py": COUNTS, "waits.py": WAITS}) as api:
        yield api


@pytest.fixture
def relay(api: Api) -> Iterator[Relay]:
    port = urlsplit(api.origin).port
    assert port is not None
    with serving(Relay(port)) as relay:
        yield relay


def signed_in(browser: Browser, api: Api, port: int | None = None) -> Page:
    """A page of a new session, directly or by way of another port."""
    page = browser.new_context().new_page()
    origin = api.origin if port is None else f"http://127.0.0.1:{port}"
    page.goto(f"{origin}/login?token={api.access.new_login_token()}")
    return page


def test_a_connection_that_drops_loses_no_line_and_doubles_none(browser: Browser, api: Api, relay: Relay) -> None:
    page = signed_in(browser, api, relay.port)
    page.goto(f"http://127.0.0.1:{relay.port}/scripts/counts")
    page.get_by_role("button", name="Run", exact=True).click()
    output = page.locator("[data-output]")

    for line in (3, 25):
        expect(output).to_contain_text(f"line {line}\n", timeout=30_000)
        relay.cut()
        shown = output.inner_text()
        page.wait_for_function("() => !document.querySelector('#log-state').hidden")  # it says that it lacks something
        relay.mend()
        assert "line 59" not in shown

    expect(output).to_contain_text("line 59", timeout=60_000)
    expect(page.get_by_text("succeeded").first).to_be_visible(timeout=30_000)
    text = output.inner_text()
    assert [text.count(f"line {n}\n") for n in range(59)] == [1] * 59
    page.context.close()


def test_what_happened_while_the_connection_was_away_is_shown_when_it_is_back(
    browser: Browser, api: Api, relay: Relay
) -> None:
    page = signed_in(browser, api, relay.port)
    page.goto(f"http://127.0.0.1:{relay.port}/scripts")
    expect(page.locator("main")).to_contain_text("counts")

    relay.cut()
    api.host.take({"newcomer.py": "def run(): ..."})
    relay.mend()

    expect(page.locator("main")).to_contain_text("newcomer", timeout=30_000)
    page.context.close()


def test_two_tabs_agree(browser: Browser, api: Api) -> None:
    one, other = signed_in(browser, api), signed_in(browser, api)
    one.goto(f"{api.origin}/scripts/waits")
    other.goto(f"{api.origin}/scripts/waits")

    one.get_by_role("button", name="Run", exact=True).click()
    expect(one.get_by_text("running").first).to_be_visible()
    expect(other.get_by_role("link", name="running").or_(other.get_by_text("running")).first).to_be_visible()

    one.get_by_role("button", name="Cancel").click()
    expect(one.get_by_text("cancelled").first).to_be_visible()
    expect(other.get_by_text("cancelled").first).to_be_visible()
    one.context.close()
    other.context.close()
