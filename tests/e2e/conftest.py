from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import a_browser
from tests.support.screens import RAN, SCRIPTS
from tests.support.server import Server, a_server_of


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with something on every page, which nobody changes; files that need other scripts have their own."""
    with a_server_of(SCRIPTS, tmp_path_factory.mktemp("site")) as server:
        for script in RAN:
            server.run(script)
        yield server
