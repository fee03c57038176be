"""The schedule: one timeline of what was due and what will be, and the calendar above it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from livegraft.run import Trigger, new_run_id
from livegraft.store import SlotCause, SlotRecord, SlotState
from tests.support.api import Api, an_api
from tests.support.pages import faults

SCRIPTS = {
    "reports/daily.py": "# cron: 0 7 * * *\ndef run(): ...",
    "reports/broken.py": "def run(): raise LookupError(1)",
    "reports/hourly.py": "# cron: 0 * * * *\ndef run(): ...",
}
DAY = timedelta(days=1)
# Yesterday, so that no hour begins between the test and the page.
YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
MISSED = "noticed 3:00:00 late; missed = 'latest' runs the newest slot only"


def slot(script: str, hour: int, state: SlotState, cause: SlotCause = SlotCause.NONE, reason: str = "") -> SlotRecord:
    at = YESTERDAY.replace(hour=hour)
    line = "0 7 * * * UTC" if script == "reports/daily" else "0 * * * * UTC"
    return SlotRecord(script, line, at, state, at, cause=cause, reason=reason)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("site"), SCRIPTS) as api:
        run = api.run("reports/hourly")["id"]
        store = api.host.supervisor.store
        slots = store.slots
        slots.claim(replace(slot("reports/hourly", 4, SlotState.RAN), run_id=run))
        slots.claim(slot("reports/hourly", 5, SlotState.SKIPPED, SlotCause.OVERLAP, "the run before goes on"))
        late = slot("reports/hourly", 7, SlotState.RAN, SlotCause.LATE, "noticed 0:10:00 late")
        due = store.runs.get(api.run("reports/broken")["id"])
        assert due is not None
        failed = replace(due, id=new_run_id(), script=late.script, trigger=Trigger.CRON, slot_at=late.slot_at)
        slots.claim(replace(late, run_id=failed.id), failed)
        slots.claim(slot("reports/daily", 7, SlotState.MISSED, SlotCause.LATE, MISSED))
        yield api


@contextmanager
def a_visit(browser: Browser, api: Api, scheme: str = "light") -> Iterator[Page]:
    page = browser.new_context(color_scheme="dark" if scheme == "dark" else "light").new_page()
    page.goto(f"{api.origin}/login?token={api.access.new_login_token()}")
    yield page
    page.context.close()


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    with a_visit(browser, api) as page:
        page.goto(f"{api.origin}/schedule")
        yield page


def expect_states(page: Page, *states: str) -> None:
    expect(page.locator(".timeline .state")).to_have_text(states)


def test_what_comes_stands_above_now_and_what_went_by_below(page: Page) -> None:
    expect_states(page, *["coming"] * 6, "missed", "ran late", "failed", "skipped", "ran")
    rows = page.locator(".timeline tbody tr")
    expect(rows.nth(5)).to_contain_text("reports/hourly")
    expect(rows.nth(6)).to_contain_text("Now")
    expect(rows.nth(7)).to_contain_text(MISSED)

    rows.nth(6).get_by_role("link", name="more to come").click()
    expect_states(page, *["coming"] * 50)


def test_an_hour_of_the_calendar_leads_to_its_due_times_and_their_runs(page: Page, api: Api) -> None:
    said = f"{YESTERDAY:%a} {YESTERDAY.day} {YESTERDAY:%b}, 07:00 UTC: 1 ran (1 failed), 1 missed"
    hour = page.get_by_role("link", name=said)
    expect(hour).to_have_class("failed step-1")
    hour.click()

    expect_states(page, "missed", "ran late", "failed")
    page.get_by_role("link", name="missed", exact=True).click()
    expect_states(page, "missed")
    expect(page.locator("section h2", has_text="Due on")).to_contain_text("07:00 to 08:00")

    page.goto(f"{api.origin}/schedule?at={YESTERDAY:%Y-%m-%dT04}")
    page.locator(".timeline").get_by_role("link", name="ran").click()
    expect(page.locator("main")).to_have_attribute("data-subject", api.get("/runs?state=succeeded")["runs"][0]["id"])


def test_the_calendar_of_one_script_counts_its_own(page: Page, api: Api) -> None:
    page.goto(f"{api.origin}/schedule?script=reports/daily")

    expect(page.locator(".calendar td a")).to_have_count(1)
    expect(page.locator(".calendar td a")).to_have_attribute("class", "missed")


def test_arrow_keys_go_from_hour_to_hour(page: Page) -> None:
    page.locator(f".calendar th a[href$='at={YESTERDAY:%Y-%m-%d}']").focus()
    focused = page.locator(".calendar a:focus")

    for key, place in (("ArrowRight", "T04"), ("ArrowRight", "T05"), ("ArrowRight", "T07"), ("ArrowLeft", "T05")):
        page.keyboard.press(key)
        expect(focused).to_have_attribute("href", f"/schedule?at={YESTERDAY:%Y-%m-%d}{place}")
    page.keyboard.press("Enter")
    expect_states(page, "skipped")


def test_schedules_are_paused_and_resumed_where_they_are_seen(page: Page, api: Api) -> None:
    page.goto(f"{api.origin}/schedule?script=reports/daily")
    page.locator("summary", has_text="Pause its schedules").click()
    page.get_by_label("Reason").fill("the supplier moves")
    page.get_by_role("button", name="Pause its schedules").click()

    paused = page.get_by_role("region", name="Paused")
    expect(paused).to_contain_text("the supplier moves")
    page.get_by_role("button", name="Resume reports/daily").click()
    expect(paused).to_have_count(0)
    expect(page).to_have_url(f"{api.origin}/schedule")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_schedule_with_a_history_has_no_serious_fault(browser: Browser, api: Api, scheme: str) -> None:
    with a_visit(browser, api, scheme) as page:
        for path in ("/schedule", f"/schedule?at={YESTERDAY:%Y-%m-%dT07}", "/schedule?script=reports/daily"):
            page.goto(api.origin + path)
            assert faults(page) == []
