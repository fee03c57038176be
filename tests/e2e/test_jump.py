"""The command palette: by the keyboard to a page, a script or a run, and a run started from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.repository import Repository
from tests.support.server import Server, a_server

HOSTILE = "<img src=x onerror=document.title='pwned'>"

WAITS = """
import pathlib, time
def run() -> None:
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.05)
    raise LookupError("no such order")
"""


@dataclass
class Site:
    page: Page
    server: Server
    gate: Path

    def palette(self, text: str) -> None:
        self.page.keyboard.press("Control+k")
        self.page.keyboard.type(text)

    def choice(self, label: str) -> None:
        expect(self.page.locator("#jump").get_by_role("option", name=label).first).to_be_visible()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("site")
    repository = Repository.create(folder / "scripts")
    repository.commit_files(
        {
            "reports/daily.py": f'"""Counts orders. {HOSTILE}"""\ndef run() -> int:\n    return 7\n',
            "reports/daily_mail.py": "def run(to: str) -> str:\n    return to\n",
            "waits.py": WAITS.format(gate=str(folder / "gate")),
        }
    )
    with a_server(repository.path, folder) as server:
        yield server


@pytest.fixture
def site(browser: Browser, server: Server) -> Iterator[Site]:
    page = browser.new_context().new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{server.url}/login?token={server.post('/links')['login_token']}")
    yield Site(page, server, server.data.parent / "gate")
    assert complaints == []
    page.context.close()


def test_a_few_letters_and_enter_open_a_script(site: Site) -> None:
    site.palette("daily")
    site.choice("reports/daily Counts orders.")
    site.page.keyboard.press("Enter")

    expect(site.page).to_have_url(f"{site.server.url}/scripts/reports/daily")
    assert site.page.title() != "pwned"


def test_arrows_choose_among_what_was_found(site: Site) -> None:
    site.palette("daily")
    site.choice("reports/daily_mail")
    labels = site.page.locator("#jump").get_by_role("option").all_inner_texts()
    for _ in range(next(at for at, label in enumerate(labels) if label.startswith("reports/daily_mail"))):
        site.page.keyboard.press("ArrowDown")
    site.page.keyboard.press("Enter")

    expect(site.page).to_have_url(f"{site.server.url}/scripts/reports/daily_mail")


def test_enter_waits_for_what_was_typed_last(site: Site) -> None:
    site.palette("audit")
    site.page.keyboard.press("Enter")

    expect(site.page).to_have_url(f"{site.server.url}/audit")


def test_run_and_a_name_start_a_run_that_is_found_by_its_id(site: Site) -> None:
    site.palette("run daily")
    site.choice("Run reports/daily now")
    site.page.keyboard.press("Enter")
    expect(site.page.get_by_text("succeeded").first).to_be_visible()
    id = site.page.url.rpartition("/")[2]

    site.page.goto(site.server.url)
    site.palette(id)
    site.choice(f"Run {id}")
    site.page.keyboard.press("Enter")

    expect(site.page).to_have_url(f"{site.server.url}/runs/{id}")


def test_a_script_with_parameters_gets_its_form_and_no_run(site: Site) -> None:
    before = len(site.server.get("/runs")["runs"])
    site.palette("run mail")
    site.choice("Run reports/daily_mail")
    site.page.keyboard.press("Enter")

    expect(site.page.get_by_role("textbox", name="to")).to_be_visible()
    assert len(site.server.get("/runs")["runs"]) == before


def test_the_keys_are_shown_on_a_question_mark_and_go_on_escape(site: Site) -> None:
    site.page.keyboard.press("?")
    keys = site.page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()

    site.page.keyboard.press("Escape")
    expect(keys).to_be_hidden()


def test_the_icon_of_the_tab_tells_of_a_run_that_goes_and_of_one_that_failed(site: Site) -> None:
    icon = site.page.locator("#icon")
    site.palette("run waits")
    site.choice("Run waits")
    site.page.keyboard.press("Enter")
    expect(icon).to_have_attribute("href", re.compile("mark-running"))

    site.gate.touch()

    expect(icon).to_have_attribute("href", re.compile("mark-failed"))


def test_what_nothing_is_called_is_said(site: Site) -> None:
    site.palette("zebra")

    expect(site.page.locator("#jump").get_by_role("status")).to_have_text("Nothing is called that.")
