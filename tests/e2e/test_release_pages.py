"""What people see while a commit is refused as a whole, and while packages changed under the server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from livegraft.web.pages.releases import SCRIPT_COUNT, SCRIPT_PAGE_COUNT
from tests.support import Repository
from tests.support.packages import Packages
from tests.support.pages import a_page, faults
from tests.support.server import a_server


def test_a_refused_commit_stands_beside_what_is_live(browser: Browser, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    live = repository.commit_files({"one.py": "def run(): return 'A'", "two.py": "def run(): return 'A'"})
    with a_server(repository.path, tmp_path, "--release", "whole") as server, a_page(browser, server) as page:
        page.goto(f"{server.url}/releases")
        refused = repository.commit_files({"one.py": "def run(): return 'B'", "two.py": "1 / 0\ndef run(): ..."})

        assert "refused" in server.cli("sync", expect=1)
        side_by_side = page.locator("#beside")
        expect(side_by_side.locator("h2")).to_have_text(f"Commit {refused[:8]} is refused as a whole")
        expect(page.locator("#sync-pill .label")).to_have_text(f"{refused[:8]} refused")
        one, two = (page.locator(f"[id='beside-{name}'] td") for name in ("one", "two"))
        expect(one.nth(1)).to_contain_text(live[:8])
        expect(one.nth(2)).to_contain_text(f"{refused[:8]} version")
        expect(two.nth(2)).to_contain_text("two.py:1 ZeroDivisionError: division by zero")

        page.goto(f"{server.url}/failures")
        expect(page.locator("[id='failure-two']")).to_contain_text(f"{live[:8]} still serves")
        page.goto(f"{server.url}/scripts")
        expect(page.locator("[id='script-one']")).to_contain_text("live (older commit)")
        assert "live (older commit)" in server.cli("list")
        newest = server.get("/releases")["releases"][0]
        assert [(each["script"], each["live"]["revision"]) for each in newest["scripts"]] == [
            ("two", live),
            ("one", live),
        ]

        repository.commit_files({"two.py": "def run(): return 'C'"})
        assert "live" in server.cli("sync")
        expect(page.locator("[id='script-one']")).not_to_contain_text("older commit")


def test_a_script_that_failed_among_very_many_stands_first_and_the_others_are_reached(
    browser: Browser, tmp_path: Path
) -> None:
    repository = Repository.create(tmp_path / "scripts")
    files = {f"s{n:03}.py": "def run(): ..." for n in range(SCRIPT_PAGE_COUNT + 5)}
    repository.commit_files(files | {"z.py": "1 / 0\ndef run(): ..."})
    with a_server(repository.path, tmp_path) as server, a_page(browser, server) as page:
        page.goto(f"{server.url}/releases")
        rows = page.locator(".did li")
        expect(rows.first).to_contain_text("failed z z.py:1 ZeroDivisionError")
        page.get_by_role("link", name=f"and {SCRIPT_PAGE_COUNT + 6 - SCRIPT_COUNT} more").click()

        expect(rows).to_have_count(SCRIPT_PAGE_COUNT)
        assert faults(page) == []
        page.get_by_role("link", name="Next").click()
        expect(rows).to_have_count(6)
        page.get_by_role("link", name="failed 1", exact=True).click()
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("ZeroDivisionError")
        assert f"{SCRIPT_PAGE_COUNT + 5} loaded" in server.cli("releases")


def test_a_restart_is_told_as_one_and_not_as_a_change(browser: Browser, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"one.py": "def run(): ...", "two.py": "def run(): ..."})
    with a_server(repository.path, tmp_path) as server:
        assert len(server.get("/releases")["releases"]) == 1

    with a_server(repository.path, tmp_path) as server, a_page(browser, server) as page:
        page.goto(f"{server.url}/releases")
        again, first = (page.locator(".releases > li").nth(place).locator(".did li") for place in (0, 1))
        expect(again).to_have_text(["2 unchanged", "a process began at this commit"])
        expect(first).to_have_text(["loaded one", "loaded two"])


def test_a_release_is_rolled_back_and_that_is_undone_on_its_page(browser: Browser, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"one.py": "def run(): return 'A'", "two.py": "def run(): return 'A'"})
    with a_server(repository.path, tmp_path) as server, a_page(browser, server) as page:
        changed = repository.commit_files({"one.py": "def run(): return 'B'", "new.py": "def run(): ..."})
        server.cli("sync")
        page.goto(f"{server.url}/releases")
        page.get_by_role("link", name=f"Roll back {changed[:8]}").click()

        goes, stays = page.get_by_role("region", name="goes back"), page.get_by_role("region", name="stays")
        expect(goes).to_contain_text("one")
        expect(stays).to_contain_text("new no version of it was live before")
        assert faults(page) == []
        assert server.run("one")["result"] == "B"
        page.get_by_label("Reason").fill("wrong totals")
        page.get_by_role("button", name="Roll back 1 script").click()

        expect(page).to_have_url(f"{server.url}/releases")
        assert server.run("one")["result"] == "A"
        page.get_by_role("link", name="rolled back").click()
        expect(page.get_by_role("region", name="Rolled back")).to_contain_text("1 script is pinned")
        assert faults(page) == []
        page.go_back()
        page.get_by_role("button", name=f"Undo the roll back of {changed[:8]}").click()
        expect(page.get_by_role("link", name="rolled back")).to_have_count(0)
        assert server.run("one")["result"] == "B"


def test_packages_that_change_under_the_server_are_shown_without_a_reload(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = Packages(tmp_path / "packages")
    packages.install("grape", "13.7.1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages.folder), os.environ.get("PYTHONPATH", "")]))
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"one.py": "import grape\ndef run(): return grape.VERSION"})
    with a_server(repository.path, tmp_path, "--poll", "0.3") as server, a_page(browser, server) as page:
        page.goto(f"{server.url}/scripts")
        expect(page.locator("[id='script-one']")).to_be_visible()

        packages.install("grape", "14.0")

        expect(page.locator("#restart-needed")).to_contain_text("grape 13.7.1 is loaded, 14.0 is installed")
        page.goto(f"{server.url}/system")
        expect(page.locator("#restart-needed")).to_be_visible()
        assert server.get("/health")["restart_needed"] == ["grape 13.7.1 is loaded, 14.0 is installed"]
