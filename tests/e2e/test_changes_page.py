"""The page of what a version changed, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.repository import Repository
from tests.support.server import Server, a_server

HOSTILE = "<img src=x onerror=document.title='pwned'>"
FIRST = "".join(f"A{n} = {n}\n" for n in range(30)) + "def run() -> int:\n    return 7\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("site")
    repository = Repository.create(folder / "scripts")
    versions = (FIRST, FIRST.replace("return 7", f'return len("{HOSTILE}")'), FIRST.replace("return 7", "return 8"))
    repository.commit_files({"helper.py": "X = 1\n", "uses.py": "import helper\ndef run(): return helper.X\n"})
    with a_server(repository.path, folder) as server:
        for number, source in enumerate(versions):
            repository.commit_files({"daily.py": source}, f"version {number}")
            server.post("/sync")
        repository.commit_files({"helper.py": "X = 2\n"})
        server.post("/sync")
        yield server


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_context().new_page()
    page.goto(f"{server.url}/login?token={server.post('/links')['login_token']}")
    yield page
    assert page.title() != "pwned"
    page.context.close()


def test_a_version_is_shown_beside_the_one_before(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts/daily")
    page.get_by_role("link", name="what it changed").first.click()

    expect(page.locator("td.gone")).to_have_text(f'    return len("{HOSTILE}")')
    expect(page.locator("td.fresh")).to_have_text("    return 8")
    expect(page.get_by_text("28 lines the same")).to_be_visible()


def test_it_can_be_compared_with_any_other(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts/daily/changes")
    first = server.get("/scripts/daily")["versions"][-1]
    page.get_by_label("compare with").select_option(value=first["key"])

    expect(page.locator("td.gone")).to_have_text("    return 7")
    expect(page.locator("td.fresh mark")).to_have_text("8")


def test_a_version_that_differs_in_what_it_imports_says_so(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts/uses/changes")

    expect(page.get_by_text("differs in what it imports")).to_be_visible()
