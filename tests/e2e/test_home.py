"""Home: what people see first, of a host that has trouble, and of one that has nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from livegraft.run import Trigger
from tests.support.api import Api, an_api

WAITS = """
    from livegraft import cancelled, progress
    import time
    def run():
        progress(0.25, "a quarter")
        while not cancelled():
            time.sleep(0.005)
    """
SCRIPTS = {
    "reports/daily.py": "# cron: 0 * * * *\ndef run(): ...\n",
    "paused.py": "# cron: 0 * * * *\ndef run(): ...\n",
    "fails.py": "def run():\n    raise LookupError('<img src=x onerror=alert(1)> is no order')\n",
    "recovers.py": "def run(fail: bool = False):\n    assert not fail\n",
    "broken.py": "def run(:\n",
    "waits.py": WAITS,
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("home"), SCRIPTS) as api:
        yield api


@contextmanager
def home(browser: Browser, api: Api) -> Iterator[Page]:
    """The first page that somebody sees who signs in; nothing runs in it that should not."""
    page = browser.new_context().new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    with page.expect_response(lambda answer: "/events" in answer.url):  # what happens from now on is told to it
        page.goto(f"{api.origin}/login?token={api.access.new_login_token()}")
    yield page
    assert complaints == []
    page.context.close()


def test_what_needs_a_look_stands_there_with_why(browser: Browser, api: Api) -> None:
    supervisor = api.host.supervisor
    api.run("fails")
    api.run("recovers", fail=True)
    api.run("recovers")
    supervisor.quarantine("reports/daily", actor="dana", reason="wrong figures")

    with home(browser, api) as page:
        concerns = page.locator("#concerns li")
        assert sorted(each.split("\n")[0] for each in concerns.all_inner_texts()) == [
            "did not load", "failed", "quarantined"
        ]  # fmt: skip
        expect(concerns.filter(has_text="fails")).to_contain_text(
            "LookupError: <img src=x onerror=alert(1)> is no order"
        )
        expect(concerns.filter(has_text="reports/daily")).to_contain_text("by dana: wrong figures")
        assert "mark-failed.svg" in (page.locator("#icon").get_attribute("href") or "")
        concerns.filter(has_text="broken").get_by_role("link", name="did not load").click()
        expect(page.get_by_text("broken.py:1").first).to_be_visible()
    supervisor.release_quarantine("reports/daily", actor="dana")


def test_what_runs_is_shown_with_its_progress_as_it_goes(browser: Browser, api: Api) -> None:
    with home(browser, api) as page:
        running = page.locator("#running li")
        expect(running).to_have_count(0)

        run = api.host.supervisor.submit("waits", {}, trigger=Trigger.HOST, actor="host")
        expect(running).to_contain_text("25 % a quarter")
        expect(page.get_by_label("Health")).to_contain_text("Running now\n1")

        run.cancel()
        expect(running).to_have_count(0)


def test_what_is_due_within_a_day_is_shown_without_what_is_paused(browser: Browser, api: Api) -> None:
    api.host.supervisor.pause("paused", actor="dana")
    with home(browser, api) as page:
        expect(page.locator("#coming li")).to_have_count(1)
        expect(page.locator("#coming li")).to_contain_text("reports/daily")

        api.host.supervisor.unpause("paused", actor="dana")
        expect(page.locator("#coming li")).to_have_count(2)


def test_a_commit_is_among_the_releases_without_a_reload(browser: Browser, api: Api) -> None:
    with home(browser, api) as page:
        api.host.take({"fresh.py": "def run(): ...\n"}, "Add <b>a fresh</b> script")

        newest = page.locator("#recent li").first
        expect(newest).to_contain_text("Add <b>a fresh</b> script")
        expect(newest).to_contain_text("live")


def test_an_address_of_the_list_of_scripts_still_leads_there(browser: Browser, api: Api) -> None:
    with home(browser, api) as page:
        page.goto(f"{api.origin}/?q=daily&state=")

        assert page.url == f"{api.origin}/scripts?q=daily&state="
        expect(page.locator("#script-table a[href$='/scripts/reports/daily']")).to_be_visible()


def test_without_scripts_it_tells_what_to_write_and_where_to_commit_it(browser: Browser, tmp_path: Path) -> None:
    with an_api(tmp_path, {}) as api, home(browser, api) as page:
        first_steps = page.locator("#first-steps")
        expect(first_steps).to_contain_text(str(api.host.repository.path))

        code = first_steps.locator("pre").first.inner_text()
        api.host.take({"hello.py": code})

        expect(page.locator("#coming li")).to_contain_text("hello")
        expect(first_steps).to_have_count(0)
        assert api.run("hello", name="you")["result"] == "you"


def test_in_safe_mode_nothing_is_said_of_what_loads(browser: Browser, tmp_path: Path) -> None:
    with an_api(tmp_path, SCRIPTS, safe=True) as api, home(browser, api) as page:
        expect(page.get_by_role("heading", name="Safe mode")).to_be_visible()
        expect(page.locator("main")).to_contain_text("Which scripts load is not known in safe mode")
        expect(page.locator("main")).not_to_contain_text("every script loads")


def test_what_did_not_load_and_what_is_out_of_service_are_dealt_with_on_one_page(browser: Browser, api: Api) -> None:
    with home(browser, api) as page:
        page.goto(f"{api.origin}/failures")
        broken = page.locator("#failure-broken")
        broken.get_by_text("Quarantine", exact=True).click()
        broken.get_by_label("Reason").fill("until it is fixed")
        broken.get_by_role("button", name="Take broken out of service").click()
        expect(page.get_by_text("until it is fixed").first).to_be_visible()

        page.goto(f"{api.origin}/failures")
        expect(page.locator("#quarantines")).to_contain_text("until it is fixed")
        page.get_by_role("button", name="Release broken").click()
        expect(page.get_by_text("until it is fixed")).to_have_count(0)
        assert api.host.supervisor.quarantines == {}
