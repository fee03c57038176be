"""The pages in a real browser: what a person sees when a commit comes, a run goes, a form is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.support import Repository
from tests.support.server import Server, a_server

SLOW = """
    import time
    from livegraft import progress

    def run(lines: int = 3):
        '''Counts slowly.'''
        for n in progress(range(lines), 'lines'):
            print('line', n)
            time.sleep(0.2)
        return {'lines': lines}
    """
BARS = r"""
    import sys

    def run():
        for n in (5, 50, 100):
            print(f"\r{n} %", end="")
        print("\n\U0001f600 first 1\n\x1b[1msecond\x1b[0m\x1b[A\x1b[10G2\x1b[B")
        print("<img src=x onerror=alert(1)> \x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07")
        print("to stderr", file=sys.stderr)
        print("the end")
    """
TYPED = """
    from typing import Annotated
    from pydantic import Field

    def run(count: Annotated[int, Field(ge=1, le=9, description='how many')], name: str = 'you'):
        return f'{count} {name}'
    """


def row(page: Page, script: str) -> Locator:
    """A script in the list."""
    return page.locator(f"main a[href$='/scripts/{script}']")


@dataclass
class Site:
    repository: Repository
    server: Server
    page: Page
    complaints: list[str]

    def open(self, path: str = "/scripts") -> Page:
        self.page.goto(self.server.url + path)
        return self.page


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"slow.py": SLOW, "typed.py": TYPED})
    with a_server(repository.path, tmp_path) as server:
        context = browser.new_context()
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.link)
        yield Site(repository, server, page, complaints)
        assert complaints == []
        context.close()


def test_the_link_signs_in_once_and_leaves_no_secret_in_the_address(site: Site, browser: Browser) -> None:
    assert "token" not in site.page.url
    expect(row(site.open(), "slow")).to_be_visible()

    stranger = browser.new_context()
    page = stranger.new_page()
    page.goto(site.server.link)
    expect(page.get_by_text("This link was used or is too old")).to_be_visible()
    page.goto(site.server.url)
    expect(page.get_by_text("You are not signed in")).to_be_visible()
    stranger.close()


def test_somebody_else_is_let_in_by_a_link_and_one_signs_out(site: Site, browser: Browser) -> None:
    page = site.open("/audit")
    page.get_by_role("link", name="Access").click()
    page.get_by_role("button", name="Make a link").click()
    made = page.get_by_role("group", name="Link").inner_text()

    other = browser.new_context()
    theirs = other.new_page()
    theirs.goto(made)
    expect(theirs.get_by_role("link", name="Audit")).to_be_visible()
    other.close()
    assert [row["action"] for row in site.server.get("/audit")["audit"]] == ["make link"]

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are not signed in")).to_be_visible()
    site.complaints.clear()  # of that answer's status


def test_a_commit_appears_without_a_reload_and_a_deleted_script_goes(site: Site) -> None:
    page = site.open()
    expect(row(page, "typed")).to_be_visible()

    site.repository.commit_files({"fresh.py": "def run(): ..."})
    expect(row(page, "fresh")).to_be_visible()

    site.repository.delete("typed.py")
    site.repository.commit("retire it")
    expect(row(page, "typed")).to_have_count(0)


def test_what_happens_after_a_page_was_rendered_and_before_it_listens_is_shown(site: Site) -> None:
    def commit_first(route: Route) -> None:
        site.repository.commit_files({"fresh.py": "def run(): ..."})
        site.server.sync()
        route.continue_()

    site.page.route("**/api/v1/events*", commit_first, times=1)
    expect(row(site.open(), "fresh")).to_be_visible()


def test_scripts_are_filtered_by_tag_and_schedule_in_the_address_and_shown_flat(site: Site) -> None:
    block = '# /// script\n# [tool.livegraft]\n# tags = ["money"]\n# cron = ["@weekly"]\n# ///\n'
    site.repository.commit_files({"reports/sums.py": f"{block}def run(): ..."})
    site.server.sync()
    page = site.open("/scripts")

    page.get_by_label("Tag").select_option("money")
    expect(row(page, "typed")).to_have_count(0)
    assert page.url.endswith("?tag=money")
    page.get_by_label("Scheduled").check()
    page.get_by_role("link", name="Flat").click()
    expect(page.get_by_role("link", name="live reports/sums")).to_be_visible()
    assert all(part in page.url for part in ("tag=money", "scheduled=1", "view=flat"))


def test_a_run_streams_its_output_progress_and_result(site: Site) -> None:
    page = site.open("/scripts/slow")
    page.get_by_label("lines").fill("20")
    page.get_by_role("button", name="Run", exact=True).click()

    output = page.locator("[data-output]")
    expect(output).to_contain_text("line 0")
    expect(page.get_by_text("running").first).to_be_visible()
    expect(output).to_contain_text("line 19")
    expect(page.get_by_text("succeeded").first).to_be_visible()
    expect(page.locator("main")).to_contain_text('"lines": 20')
    text = output.inner_text()
    assert [text.count(f"line {n}\n") for n in range(19)] == [1] * 19
    expect(page.locator("#log-state")).to_be_hidden()


def test_the_log_stays_at_its_end_when_the_run_ends(site: Site) -> None:
    pause = "        if not n % 500:\n            time.sleep(0.05)\n"
    lines = "    for n in range(8000):\n        print(n, 'of many orders')\n"
    text = f"import time\n\ndef run():\n{lines}{pause}    return [{{'n': n}}]\n"
    site.repository.commit_files({"long.py": text})
    site.server.sync()
    page = site.open("/scripts/long")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page).to_have_title(re.compile("^succeeded"), timeout=30_000)
    log = page.locator("#log").element_handle()
    page.wait_for_function("log => log.scrollHeight - log.scrollTop - log.clientHeight < 40", arg=log)


def test_output_goes_on_where_it_was_when_a_tab_was_hidden(site: Site) -> None:
    page = site.open("/scripts/slow")
    page.get_by_label("lines").fill("20")
    page.get_by_role("button", name="Run", exact=True).click()
    output = page.locator("[data-output]")
    expect(output).to_contain_text("line 1")

    for is_hidden in (True, False):
        page.evaluate(
            """isHidden => {
                Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            is_hidden,
        )

    expect(output).to_contain_text("line 19", timeout=20_000)
    text = output.inner_text()
    assert [text.count(f"line {n}\n") for n in range(2, 19)] == [1] * 17


def test_output_looks_as_in_a_terminal_and_is_never_markup(site: Site) -> None:
    site.repository.commit_files({"bars.py": BARS})
    page = site.open()
    expect(row(page, "bars")).to_be_visible()
    site.open("/scripts/bars")
    page.get_by_role("button", name="Run", exact=True).click()

    output = page.locator("#log")
    expect(output).to_contain_text("the end")
    assert output.inner_text().splitlines() == [
        "100 %", "\U0001f600 first 2", "second", "<img src=x onerror=alert(1)> link", "to stderr", "the end"
    ]  # fmt: skip
    assert output.locator("img, a, script").count() == 0
    expect(output.get_by_text("second")).to_have_css("font-weight", "700")

    page.get_by_label("Level").select_option("warning")
    expect(output).to_have_text("to stderr")
    page.get_by_label("Level").select_option("")
    page.get_by_label("Search the output").fill("SECOND")
    expect(output).to_have_text("second")
    expect(output.locator("mark")).to_have_text("second")
    page.get_by_label("Search the output").fill("")
    page.get_by_label("times").check()
    expect(output.locator(".line").first).to_have_attribute("data-at", re.compile(r"^\d\d:\d\d:\d\d\.\d\d\d$"))


def test_a_form_says_what_is_wrong_beside_the_field(site: Site) -> None:
    page = site.open("/scripts/typed")
    page.locator("form").first.evaluate("form => form.noValidate = true")
    page.get_by_label("count").fill("12")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.get_by_text("less than or equal to 9")).to_be_visible()
    expect(page.get_by_label("count")).to_have_value("12")
    site.complaints.clear()  # the browser tells the answer's status


def test_a_broken_commit_is_a_failure_with_its_place_while_the_old_version_serves(site: Site) -> None:
    site.repository.commit_files({"slow.py": "def run(:\n"})
    site.server.sync()

    page = site.open("/failures")
    expect(page.get_by_role("link", name="slow.py:1")).to_have_attribute("href", "/scripts/slow#L1")
    expect(page.get_by_text("SyntaxError").first).to_be_visible()
    expect(site.open("/scripts/slow").get_by_text("newer version failed").first).to_be_visible()
    expect(page.locator("#code")).to_contain_text("the version that failed")
    expect(page.locator("#code .marked")).to_contain_text("def run(:")


def test_a_script_is_quarantined_with_a_reason_and_released(site: Site) -> None:
    page = site.open("/scripts/slow")
    page.get_by_text("Quarantine this script").click()
    page.locator("form[action$='/quarantine'] input[name=reason]").fill("it is too slow")
    page.locator("form[action$='/quarantine'] button").click()

    expect(page.get_by_text("it is too slow").first).to_be_visible()
    assert site.server.scripts()["slow"]["quarantined"]
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("it is too slow")).to_have_count(0)


HOSTILE = "<img src=x onerror=alert(1)>"
KEEPS = f"""
    from datetime import timedelta
    from livegraft import shared

    def run():
        shared("counters").add("seen", 41)
        shared("counters").put("{HOSTILE}", "{HOSTILE}", expires_in=timedelta(hours=1))
        shared("reports/daily")["long"] = "x" * 5000
    """


def test_an_isolated_script_is_shown_as_that_with_the_reason(site: Site) -> None:
    page = site.open()
    expect(row(page, "slow")).to_be_visible()
    block = '# /// script\n# [tool.livegraft]\n# isolation = "process"\n# ///\n'
    site.repository.commit_files({"apart.py": block + "def run():\n    print('apart')\n    return 'done'\n"})
    row(page, "apart").click()

    expect(page.get_by_text("isolated", exact=True)).to_have_attribute(
        "title", "Each run has a process of its own: its header asks for it"
    )
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("main")).to_contain_text("succeeded")
    expect(page.locator("#log")).to_contain_text("apart")


def test_shared_data_is_shown_as_it_is_and_deleted_key_by_key_and_as_a_whole(site: Site) -> None:
    site.repository.commit_files({"keeps.py": KEEPS})
    site.server.sync()
    site.server.run("keeps")
    page = site.open("/system")
    page.get_by_role("link", name="Shared data").click()
    page.get_by_role("link", name="reports/daily").click()
    expect(page.get_by_text("and 4602 more characters")).to_be_visible()

    page = site.open("/shared/counters")
    expect(page.get_by_role("row", name="seen").locator("code")).to_have_text("41")
    hostile = page.get_by_role("row").filter(has_text=HOSTILE)
    expect(hostile.locator("code")).to_have_text(f'"{HOSTILE}"')
    expect(page.locator("main img")).to_have_count(0)

    hostile.get_by_text("Delete", exact=True).click()
    hostile.get_by_role("button", name="Delete this key").click()
    expect(page.get_by_text(HOSTILE)).to_have_count(0)
    assert [each["key"] for each in site.server.get("/shared/counters")["values"]] == ["seen"]

    page.get_by_text("Delete all").click()
    page.get_by_role("button", name="Delete every key").click()
    expect(page.get_by_role("link", name="reports/daily")).to_be_visible()
    assert [each["name"] for each in site.server.get("/shared")["shared"]] == ["reports/daily"]
    audit = site.server.get("/audit")["audit"]
    assert [each["detail"] for each in audit if each["action"] == "delete shared data"] == [{}, {"key": HOSTILE}]


@pytest.mark.parametrize(
    "path",
    ["/", "/scripts", "/runs", "/releases", "/failures", "/system", "/shared", "/audit", "/access", "/scripts/slow"],
)
def test_every_page_needs_a_session_and_allows_no_inline_script(site: Site, path: str) -> None:
    answer = httpx.get(site.server.url + path)

    assert answer.status_code == 401
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    site.open(path)
    expect(site.page.locator("main")).to_be_visible()


def test_a_change_asked_for_by_another_site_is_refused(site: Site) -> None:
    cookies = {cookie["name"]: cookie["value"] for cookie in site.page.context.cookies()}
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}

    for path in (
        "/scripts/slow/run",
        "/shared/counters/clear",
        "/shared/counters/delete",
        "/api/v1/sync",
        "/api/v1/scripts/slow/runs",
    ):
        answer = httpx.post(site.server.url + path, cookies=cookies, headers=headers)
        assert answer.status_code in (403, 404, 405), path
    assert site.server.get("/runs")["runs"] == []
