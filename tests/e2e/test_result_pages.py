"""Results and progress in a real browser: sorted tables, pictures, frames that run nothing, Markdown, downloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import Repository
from tests.support.server import Server, a_server

SCRIPTS = {
    "nested.py": """
        import time
        from livegraft import cancelled, progress
        def run():
            for day in progress(range(4), "days"):
                for order in progress(range(2), f"orders of day {day}"):
                    while day == 1 and order == 1 and not cancelled():
                        time.sleep(0.01)
        """,
    "orders.py": """
        def run():
            import pandas as pd  # in the run: its import may take longer than a version may on a busy machine
            names = [f"<b>customer {n}</b>" for n in range(600)]
            return pd.DataFrame({"customer": names, "total": [(n * 37) % 600 for n in range(600)]})
        """,
    "chart.py": """
        def run():
            from matplotlib.figure import Figure
            figure = Figure(figsize=(6, 3))
            axes = figure.subplots()
            axes.plot([3, 1, 4, 1, 5])
            axes.set_title("Orders")
            return figure
        """,
    "page.py": """
        HOSTILE = '''<h1 style="color: rgb(0, 128, 0)">Report</h1><p id="said">quiet</p>
        <script>document.getElementById("said").textContent = "it ran"</script>
        <img src="x" onerror="document.getElementById('said').textContent = 'it ran'">
        <form action="/logout" method="post"><button>out</button></form>
        <a href="/" target="_top">top</a>'''
        class Page:
            def _repr_html_(self): return HOSTILE
        def run(): return Page()
        """,
    "drawing.py": """
        class Drawing:
            def _repr_svg_(self):
                return ('<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><script>alert(1)</script>'
                        '<rect width="90" height="40" fill="teal" onload="alert(1)"/></svg>')
        def run(): return Drawing()
        """,
    "words.py": '''
        from livegraft import Markdown, artifacts
        DOT = ("89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
               "0000000a49444154789c6360000000020001e221bc330000000049454e44ae426082")
        TEXT = """# 12 orders

        | who | n |
        |---|--:|
        | Dana | 7 |

        <img src=x onerror=alert(1)> [bad](javascript:alert(1)) [good](https://example.com) **bold**
        """
        def run():
            (artifacts() / "orders <1>.html").write_text("<script>alert(1)</script>")
            (artifacts() / "dot.PNG").write_bytes(bytes.fromhex(DOT))
            return Markdown(TEXT.replace("\\n        ", "\\n"))
        ''',
    "lines.py": """
        def run(): return "first\\nsecond"
        """,
    "silent.py": """
        def run(): pass
        """,
    "branches.py": """
        def run():
            days = [{"day": day, "orders": [f"order {n} of day {day}" for n in range(9)]} for day in range(9)]
            return {"shop": "<b>Berlin</b>", "days": days, "of": {"a": 1, "b": None}}
        """,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("results")
    repository = Repository.create(folder / "scripts")
    repository.commit_files(SCRIPTS)
    with a_server(repository.path, folder, "--no-probe") as server:
        yield server


@pytest.fixture(scope="module")
def signed_in(server: Server, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(server.link)
    yield page
    context.close()


@pytest.fixture
def page(signed_in: Page) -> Page:
    signed_in.on("dialog", lambda dialog: pytest.fail(f"a script of a result ran: {dialog.message}"))
    return signed_in


def open_run(server: Server, page: Page, script: str) -> str:
    run = server.run(script)
    assert run["state"] == "succeeded", run["error"]
    page.goto(f"{server.url}/runs/{run['id']}")
    return str(run["id"])


def cells(page: Page, column: int, count: int = 3) -> list[str]:
    rows = page.locator("#result tbody tr")
    return [rows.nth(n).locator("td").nth(column).inner_text() for n in range(count)]


def test_a_table_is_sorted_by_all_of_its_rows_and_downloaded(server: Server, page: Page) -> None:
    open_run(server, page, "orders")
    result = page.locator("#result")
    expect(result).to_contain_text("The first 500 of 600 rows")
    assert cells(page, 0, 1) == ["<b>customer 0</b>"]

    result.get_by_role("link", name="total").click()
    expect(result.locator("th[aria-sort=ascending]")).to_have_text("total")
    assert cells(page, 1) == ["0", "1", "2"]
    result.get_by_role("link", name="total").click()
    expect(result.locator("th[aria-sort=descending]")).to_have_text("total")
    assert cells(page, 1) == ["599", "598", "597"]

    with page.expect_download() as download:
        result.get_by_role("link", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert (len(lines), lines[0]) == (601, "customer,total")


def test_a_figure_is_a_picture(server: Server, page: Page) -> None:
    open_run(server, page, "chart")

    picture = page.locator("#result img")
    expect(picture).to_be_visible()
    page.wait_for_function("document.querySelector('#result img').naturalWidth > 300")


def test_an_svg_is_a_picture_whose_scripts_do_not_run(server: Server, page: Page) -> None:
    id = open_run(server, page, "drawing")
    page.wait_for_function("document.querySelector('#result img').naturalWidth === 90")

    page.goto(f"{server.url}/api/v1/runs/{id}/result")
    expect(page.locator("rect")).to_be_visible()


def test_html_is_in_a_frame_where_nothing_runs_and_nothing_leaves(server: Server, page: Page) -> None:
    id = open_run(server, page, "page")
    frame = page.frame_locator("#result iframe")
    expect(frame.get_by_role("heading", name="Report")).to_have_css("color", "rgb(0, 128, 0)")
    expect(frame.locator("#said")).to_have_text("quiet")
    assert page.locator("#result iframe").get_attribute("sandbox") == ""

    address = page.url
    frame.get_by_role("button", name="out").click()
    frame.get_by_role("link", name="top").click()
    expect(frame.get_by_role("heading", name="Report")).to_be_visible()
    assert page.url == address

    # By itself, as a page: the answer's own policy holds there.
    page.goto(f"{server.url}/api/v1/runs/{id}/result")
    expect(page.locator("#said")).to_have_text("quiet")
    page.get_by_role("button", name="out").click()
    page.goto(f"{server.url}/runs/{id}")
    expect(page.locator("#result")).to_be_visible()


def test_markdown_is_rendered_and_html_in_it_is_text(server: Server, page: Page) -> None:
    open_run(server, page, "words")
    prose = page.locator("#result .prose")

    expect(prose.get_by_role("heading", name="12 orders")).to_be_visible()
    expect(prose.get_by_role("cell", name="Dana")).to_be_visible()
    expect(prose).to_contain_text("<img src=x onerror=alert(1)>")
    assert prose.locator("img").count() == 0
    assert [each.get_attribute("href") for each in prose.locator("a").all()] == ["https://example.com"]
    expect(prose.get_by_role("cell", name="7")).to_have_css("text-align", "right")
    assert page.get_by_role("heading", level=1).count() == 1


def test_a_text_is_shown_in_its_lines(server: Server, page: Page) -> None:
    open_run(server, page, "lines")

    expect(page.locator("#result pre")).to_have_text("first\nsecond")


def test_a_run_that_returned_and_wrote_nothing_shows_no_empty_boxes(server: Server, page: Page) -> None:
    open_run(server, page, "silent")

    expect(page.locator("#output")).to_contain_text("It wrote nothing.")
    expect(page.locator("#result, #log")).to_have_count(0)


def test_branches_of_json_open_and_close_and_what_is_short_stands_on_one_line(server: Server, page: Page) -> None:
    open_run(server, page, "branches")
    tree = page.locator("#result .tree")
    shop, days, of = tree.locator("> details > ul > li").all()

    expect(shop).to_have_text('shop "<b>Berlin</b>"')
    expect(of).to_have_text('of {"a": 1, "b": null}')
    expect(tree.get_by_text("order 1 of day 7")).to_be_hidden()
    days.get_by_text("7 2 keys").click()
    days.get_by_text("orders 9 items").locator("visible=true").click()
    expect(tree.get_by_text("order 1 of day 7")).to_be_visible()


def test_a_file_that_the_run_left_is_downloaded_and_never_opened(server: Server, page: Page) -> None:
    open_run(server, page, "words")
    files = page.locator("#artifacts")
    expect(files).to_contain_text("25 B")

    with page.expect_download() as download:
        files.get_by_role("link", name="orders <1>.html", exact=True).click()
    assert Path(download.value.path()).read_text() == "<script>alert(1)</script>"


def test_a_text_among_the_files_is_shown_when_asked_for(server: Server, page: Page) -> None:
    open_run(server, page, "words")
    files = page.locator("#artifacts")
    expect(files.locator("pre")).to_have_count(0)

    files.get_by_role("link", name="Show orders <1>.html").click()
    expect(files.get_by_role("region", name="orders <1>.html")).to_have_text("<script>alert(1)</script>")
    files.get_by_role("link", name="Hide orders <1>.html").click()
    expect(files.locator("pre")).to_have_count(0)


def test_a_picture_among_the_files_is_seen_at_once(server: Server, page: Page) -> None:
    open_run(server, page, "words")

    expect(page.get_by_role("img", name="dot.PNG")).to_be_visible()
    page.wait_for_function("document.querySelector('#artifacts img').naturalWidth === 1")
    expect(page.locator("#artifacts img")).to_have_count(1)


def test_the_command_line_shows_tables_as_text_and_writes_files(server: Server, tmp_path: Path) -> None:
    shown = server.cli("start", "--wait", "20", "orders")
    assert "customer" in shown
    assert "the first 100 of 600 rows" in shown

    run = server.run("words")["id"]
    assert "# 12 orders" in server.cli("result", run)
    server.cli("artifacts", run, "--out", str(tmp_path / "left"))
    assert (tmp_path / "left" / "orders <1>.html").read_text() == "<script>alert(1)</script>"
    assert "orders <1>.html" in server.cli("artifacts", run)

    chart = server.run("chart")["id"]
    assert f"a PNG picture: livegraft result {chart} --out FILE" in server.cli("result", chart)
    server.cli("result", chart, "--out", str(tmp_path / "chart.png"))
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert server.cli("result", server.run("orders")["id"], "--csv").startswith("customer,total")


def test_progress_of_a_loop_within_a_loop_stands_below_it(server: Server, page: Page) -> None:
    id = server.post("/scripts/nested/runs")["id"]
    page.goto(f"{server.url}/runs/{id}")

    bars = page.locator("#progress .bar")
    expect(bars).to_have_count(2)
    expect(bars.first).to_contain_text("25 % days")
    expect(bars.last).to_contain_text("50 % orders of day 1")

    page.get_by_role("button", name="Cancel").click()
    expect(bars).to_have_count(0)
