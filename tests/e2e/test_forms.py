"""Forms in a real browser: every kind of field, secrets, files, choices of the script, arguments of before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import Repository
from tests.support.server import Server, a_server

SECRET = "hunter2-correct-horse"
SCRIPTS = {
    "order.py": """
        from datetime import date, time, timedelta
        from typing import Annotated, Literal
        from pydantic import Field, SecretStr
        from livegraft import Upload, choices

        def warehouses():
            return {"ber": "Berlin", "ham": "Hamburg"}

        def run(
            token: SecretStr,
            orders: Upload,
            sizes: list[Literal["S", "M", "L"]],
            warehouse: Annotated[str, choices("warehouses")] = "ber",
            several: Annotated[list[str], choices(warehouses)] = ["ham"],
            count: Annotated[int, Field(ge=1, le=9, description="how many")] = 3,
            day: date = date(2026, 11, 26),
            wait: timedelta = timedelta(hours=2),
            dry_run: bool = True,
        ):
            '''Order new stock.'''
            return [len(token.get_secret_value()), orders.read_text(), sizes, warehouse, several]
        """,
    "parcels.py": """
        from typing import Annotated
        from pydantic import AfterValidator

        def even(n: int) -> int:
            if n % 2:
                raise ValueError("must be even: parcels go in pairs")
            return n

        def run(count: Annotated[int, AfterValidator(even)] = 2, rows: list[int] = [1, 2], note: str = ""):
            pass
        """,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("forms")
    repository = Repository.create(folder / "scripts")
    repository.commit_files(SCRIPTS)
    with a_server(repository.path, folder, "--no-probe") as server:
        yield server


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/login?token={server.post('/links')['login_token']}")
    yield page
    context.close()


def test_a_form_of_every_kind_runs_and_is_chosen_again_without_the_secret(
    server: Server, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").write_text("a,b")
    page.goto(f"{server.url}/scripts/order")
    form = page.locator("#run-form")
    form.get_by_label("token").fill(SECRET)
    form.get_by_label("orders").set_input_files(tmp_path / "orders.csv")
    form.get_by_role("group", name="sizes").get_by_label("S", exact=True).check()
    form.get_by_role("group", name="sizes").get_by_label("L", exact=True).check()
    form.get_by_label("warehouse").select_option(label="Hamburg")
    form.get_by_role("group", name="several").get_by_label("Berlin").check()
    form.get_by_label("count").fill("12")
    form.evaluate("form => form.noValidate = true")
    form.get_by_role("button", name="Run").click()

    # Something is wrong: all but the secret and the file stays as it was filled in.
    expect(page.get_by_text("less than or equal to 9")).to_be_visible()
    expect(form.get_by_label("token")).to_have_value("")
    expect(form.get_by_label("warehouse")).to_have_value('"ham"')
    expect(form.get_by_role("group", name="sizes").get_by_label("L", exact=True)).to_be_checked()
    assert SECRET not in page.content()

    form.get_by_label("token").fill(SECRET)
    form.get_by_label("orders").set_input_files(tmp_path / "orders.csv")
    form.get_by_label("count").fill("2")
    form.get_by_role("button", name="Run").click()
    expect(page.locator("#result")).to_contain_text('"a,b"')
    expect(page.locator("#result")).to_contain_text(str(len(SECRET)))
    expect(page.locator("#given")).to_contain_text("**********")
    expect(page.locator("#given dd").nth(1)).to_have_text("orders.csv")
    assert SECRET not in page.content()
    run = server.get(f"/runs/{page.url.rpartition('/')[2]}")
    assert run["result"] == [len(SECRET), "a,b", ["S", "L"], "ham", ["ber", "ham"]]

    # Run again asks for the secret, with everything else filled in.
    page.get_by_role("button", name="Run again").click()
    expect(form.get_by_label("token")).to_have_value("")
    expect(form).to_contain_text("orders.csv")
    expect(form.get_by_label("count")).to_have_value("2")
    page.goto(f"{server.url}/scripts/order")
    page.get_by_text("Recent arguments").click()
    recent = page.locator(".recent a").filter(has_text="warehouse ham")
    expect(recent).to_contain_text("count 2")
    assert "token" not in recent.inner_text()
    recent.click()
    expect(form.get_by_role("group", name="sizes").get_by_label("S", exact=True)).to_be_checked()
    form.get_by_label("token").fill("other")
    form.get_by_role("button", name="Run").click()
    expect(page.locator("#result")).to_contain_text('"a,b"')
    expect(page.locator("#result")).to_contain_text("5")

    kept = [file for file in server.data.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert kept == []
    assert SECRET not in (server.data.parent / "server.log").read_text(encoding="utf-8")


def test_all_that_is_wrong_is_told_at_once_and_the_page_keeps_its_address(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/scripts/parcels")
    form = page.locator("#run-form")
    expect(form.get_by_label("rows")).to_have_value("[1, 2]")
    form.get_by_label("count").fill("3")
    form.get_by_label("rows").fill("[1,")
    form.get_by_label("note").fill("fragile")
    form.get_by_role("button", name="Run", exact=True).click()

    expect(form.locator(".problem").first).to_have_text("must be even: parcels go in pairs, got: 3")
    expect(form.locator(".problem").last).to_contain_text("expected JSON")
    expect(form.get_by_label("note")).to_have_value("fragile")
    expect(form.get_by_label("count")).to_be_focused()
    expect(page).to_have_url(f"{server.url}/scripts/parcels")
    assert server.get("/runs?script=parcels")["runs"] == []


def test_who_comes_back_finds_what_they_had_typed(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/scripts/parcels")
    page.get_by_label("count").fill("8")
    page.get_by_label("note").fill("fragile")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Runs").click()
    expect(page).to_have_url(f"{server.url}/runs")
    page.go_back()

    expect(page.get_by_label("count")).to_have_value("8")
    expect(page.get_by_label("note")).to_have_value("fragile")


def test_the_command_line_takes_and_describes_the_same(server: Server, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("x")

    help = server.cli("start", "order", "--help")
    assert "--orders FILE" in help
    assert "--sizes S|M|L" in help
    assert "now one of ber, ham" in help
    assert "how many (at least 1; at most 9; default 3)" in help
    options = ("--token", "abc", "--orders", str(tmp_path / "orders.csv"), "--sizes", "S", "--sizes", "M")
    assert '"M"' in server.cli("start", "--wait", "20", "order", *options)
    wrong = server.cli("start", "order", "--token", SECRET, "--sizes", "XL", "--orders", "/none", expect=2)
    assert SECRET not in wrong
