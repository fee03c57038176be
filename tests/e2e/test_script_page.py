"""The page of a script: an earlier version is run, and the run is told as a command that follows the form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.api import Api, an_api
from tests.support.pages import faults

SCRIPTS = {
    "job.py": """
from pydantic import SecretStr
def run(name: str = "you", count: int = 1, loud: bool = False, token: SecretStr = SecretStr("")):
    return f"first {name} {count}"
""",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("site"), SCRIPTS) as api:
        api.host.take({"job.py": SCRIPTS["job.py"].replace("first", "second")}, "say second")
        yield api


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(f"{api.origin}/login?token={api.access.new_login_token()}")
    page.goto(f"{api.origin}/scripts/job")
    yield page
    page.context.close()


def test_an_earlier_version_is_run_with_what_stands_in_the_form(page: Page, api: Api) -> None:
    page.get_by_label("name", exact=True).fill("kim")
    page.get_by_role("button", name="once, with the arguments of the form").click()

    expect(page.locator("main")).to_contain_text("first kim 1")
    assert api.run("job")["result"] == "second you 1"


def test_the_same_run_as_a_command_and_as_a_request_follows_the_form(page: Page) -> None:
    command = page.get_by_role("group", name="Command")
    page.locator("summary", has_text="Run it from elsewhere").click()
    expect(command).to_have_text(f"livegraft start --url {page.url.removesuffix('/scripts/job')} job")

    page.get_by_label("name", exact=True).fill("Kim O'Hara")
    page.get_by_label("loud").check()
    page.get_by_label("token").fill("swordfish")

    expect(command).to_contain_text("--loud")
    expect(command).to_contain_text("--name=Kim O'\"'\"'Hara")
    expect(page.get_by_role("group", name="curl")).to_contain_text('"loud": true')
    expect(page.locator("#calls")).not_to_contain_text("swordfish")
    expect(page.locator("#calls")).not_to_contain_text("count")
    assert faults(page) == []


def test_the_navigation_of_a_phone_shows_where_one_is(page: Page, api: Api) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path, name in (("/audit", "Audit"), ("/", "Home"), ("/failures", "Failures")):
        page.goto(api.origin + path)
        expect(page.locator(".top nav").get_by_role("link", name=name)).to_be_in_viewport(ratio=1)
