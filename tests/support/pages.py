"""A person at the pages of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.support.server import Server


@contextmanager
def a_page(browser: Browser, server: Server, **context: Any) -> Iterator[Page]:
    """A page of a signed-in person; its console stays clean. ``context`` is what the browser is told of them."""
    page = browser.new_context(**context).new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{server.url}/login?token={server.post('/links')['login_token']}")
    yield page
    assert complaints == []
    page.context.close()


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical, with the place."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
