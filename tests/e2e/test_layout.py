"""Where things stand: nothing moves once it is shown, and no page is wider than the screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.pages import a_page
from tests.support.screens import LONG, PATHS
from tests.support.server import Server

SCREENS = {"phone": (390, 844), "desktop": (1280, 860)}
WATCH = """
globalThis.moved = 0;
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) moved += each.value;
}).observe({ type: "layout-shift", buffered: true });
"""
ABOVE = """(link) => {
  const words = document.createRange();
  words.selectNode(link.querySelector(".mark").nextSibling);
  return words.getBoundingClientRect().top - link.querySelector(".mark").getBoundingClientRect().top;
}"""
MOVED = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(moved), 0)))"


@pytest.fixture(scope="module", params=list(SCREENS.values()), ids=list(SCREENS))
def page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = request.param
    with a_page(browser, server, viewport={"width": width, "height": height}) as page:
        page.add_init_script(WATCH)
        yield page


def test_nothing_moves_once_it_is_shown_and_no_page_is_wider_than_the_screen(page: Page, server: Server) -> None:
    runs = [f"/runs/{run['id']}" for run in server.get("/runs")["runs"]]

    for path in (*PATHS, *runs):
        page.goto(server.url + path)
        if path in runs:
            page.locator("#output").wait_for()
        assert page.evaluate(MOVED) < 0.01, path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


@pytest.mark.parametrize("said", ["in sync", "sync failing", "not synced yet"])
def test_the_bar_at_the_top_keeps_in_one_line_whatever_the_sync_is(page: Page, server: Server, said: str) -> None:
    page.goto(server.url)
    page.locator("#sync-pill .label").evaluate("(label, said) => { label.textContent = said; }", said)
    brand, theme = page.locator(".brand").bounding_box(), page.locator("#theme").bounding_box()

    assert brand is not None
    assert theme is not None
    assert abs(brand["y"] + brand["height"] / 2 - theme["y"] - theme["height"] / 2) < 3


def test_fields_beside_each_other_begin_at_one_height(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/audit")
    boxes = [each.bounding_box() for each in page.locator(".fields :is(input, select):visible").all()]

    rows = {round(box["y"]) for box in boxes if box}
    assert len(rows) == (1 if page.viewport_size == {"width": 1280, "height": 860} else 2)


def test_what_an_audit_says_begins_in_sight_and_leads_to_the_runs(page: Page, server: Server) -> None:
    run = server.get("/runs?script=fails")["runs"][-1]["id"]
    page.goto(f"{server.url}/audit")
    expect(page.get_by_role("link", name=run)).to_have_attribute("href", f"/runs/{run}")
    first = page.locator(".entries tbody tr").first.bounding_box()

    assert first is not None
    assert first["y"] < 500


def test_a_table_hides_no_column_on_a_desktop_and_widens_no_page_on_a_phone(page: Page, server: Server) -> None:
    is_desktop = page.viewport_size == {"width": 1280, "height": 860}
    for path in PATHS:
        page.goto(server.url + path)
        cut = page.locator(".scroll").evaluate_all(
            "all => all.filter((each) => each.scrollWidth > each.clientWidth).length"
        )
        assert cut == 0 or not is_desktop, path
        assert page.evaluate("document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"), path


def test_a_box_to_check_stands_beside_its_name(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts/{LONG}")
    box, name = (
        page.get_by_label("dry_run").bounding_box(),
        page.get_by_text("dry_run", exact=True).first.bounding_box(),
    )

    assert box is not None
    assert name is not None
    assert abs(box["y"] - name["y"]) < 12
    assert page.viewport_size == {"width": 1280, "height": 860} or name["x"] - box["x"] - box["width"] < 20


def test_what_opens_is_large_enough_to_be_touched(page: Page, server: Server) -> None:
    for path in PATHS:
        page.goto(server.url + path)
        heights = page.locator("main summary:visible").evaluate_all("all => all.map((each) => each.clientHeight)")
        assert all(height >= 24 for height in heights), path


def test_a_script_of_a_list_tells_its_schedules_line_by_line(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts?q=somebody_called")
    row = page.locator("#script-table tr[data-text]")

    words, more = (
        row.locator(".when span:not(.muted)").last.bounding_box(),
        row.get_by_text("and 1 more").bounding_box(),
    )
    assert words is not None
    assert more is not None
    assert more["y"] > words["y"] + 10
    # The mark stands before the first word, not on a line of its own.
    assert row.locator(".name a").first.evaluate(ABOVE) < 10


def test_folders_stand_before_what_is_in_them_in_every_script(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/scripts/reports/עברית/سلام")
    places = [each.bounding_box() for each in page.locator("h1 bdi").all()]

    assert len(places) == 3
    lefts = [place["x"] for place in places if place]
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("width", [720, 900, 1060, 1280])
def test_the_navigation_is_in_sight_as_a_whole(browser: Browser, server: Server, width: int) -> None:
    with a_page(browser, server, viewport={"width": width, "height": 800}) as page:
        nav, last = page.get_by_role("navigation", name="Main"), page.get_by_role("link", name="Audit")
        around, box = nav.bounding_box(), last.bounding_box()

    assert around is not None
    assert box is not None
    assert box["x"] + box["width"] <= around["x"] + around["width"] + 1


def test_paper_has_all_of_an_output_and_no_buttons(page: Page, server: Server) -> None:
    run = next(each for each in server.get("/runs")["runs"] if each["script"] == "reports/daily")
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(f"{server.url}/runs/{run['id']}")
    page.locator("#log .line").first.wait_for()

    assert page.locator("button:visible, input:visible, select:visible").count() == 0
    assert page.locator("#log").evaluate("log => getComputedStyle(log).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".scroll.tall").evaluate("all => getComputedStyle(all).maxHeight") == "none"
    page.emulate_media(media="screen", color_scheme="light")
