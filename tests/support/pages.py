"""A person at the pages of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
