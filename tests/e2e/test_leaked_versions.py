"""What people see of a version that something still holds, and how they scrub it: on the page, by the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support import Repository, eventually
from tests.support.packages import Packages
from tests.support.pages import a_page
from tests.support.server import Server, a_server

HOLDER = "list KEPT in module registry -> function price"
PRICES = """
    from registry import KEPT

    RATE = {number}

    def price():
        return RATE * 10

    def run():
        KEPT.append(price)
    """
CALLS = "from registry import KEPT\ndef run(n: int): return KEPT[n]()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose installed package ``registry`` holds a function of superseded versions of ``prices`` and ``fees``.

    They are named after the place of their function there: first ``prices``, then ``fees``.
    """
    folder = tmp_path_factory.mktemp("leaked")
    packages = Packages(folder / "packages")
    packages.install("registry", "1.0", modules={"registry.py": "KEPT = []\n"})
    repository = Repository.create(folder / "scripts")
    scripts = ("prices", "fees")
    repository.commit_files({"calls.py": CALLS, **{f"{name}.py": PRICES.format(number=1) for name in scripts}})
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(packages.folder), os.environ.get("PYTHONPATH", "")]))
        with a_server(repository.path, folder) as server:
            for name in scripts:
                assert server.run(name)["state"] == "succeeded"
            repository.commit_files({f"{name}.py": PRICES.format(number=2) for name in scripts})
            server.sync()
            yield server


def held(server: Server, script: str) -> dict[str, Any]:
    """The superseded version of a script, as soon as its holder is named."""
    live = server.scripts()[script]["version"]["key"]

    def named() -> dict[str, Any] | None:
        versions = [each for each in server.get("/versions")["versions"] if each["name"] == script]
        return next((each for each in versions if each["key"] != live and HOLDER in each["holders"]), None)

    found = eventually(named, what="the holder is named")
    assert found is not None
    return found


def test_the_page_names_the_holder_and_scrubs_the_version(server: Server, browser: Browser) -> None:
    key = held(server, "prices")["key"][:8]
    assert server.run("calls", n=0)["result"] == 10
    with a_page(browser, server) as page:
        page.goto(f"{server.url}/system")
        row = page.locator(f"[id^='version-{key}']")
        expect(row.get_by_label("Held by")).to_have_text(HOLDER)

        row.get_by_text("Scrub", exact=True).click()
        row.get_by_role("button", name=f"Scrub prices@{key}").click()

        taken_back = row.get_by_label("Taken back")
        expect(taken_back).to_contain_text("scrubbed")
        assert taken_back.locator("li").first.evaluate("li => getComputedStyle(li, '::before').content") == "none"
    assert f"UnloadedVersionError: prices@{key}" in server.run("calls", n=0)["error"]["traceback"]


def test_the_command_line_names_the_holder_and_scrubs_the_version(server: Server) -> None:
    key = held(server, "fees")["key"][:8]
    assert server.run("calls", n=1)["result"] == 10
    row = next(line for line in server.cli("versions").splitlines() if key in line)
    assert HOLDER in row

    server.cli("scrub", "fees", key)

    assert f"UnloadedVersionError: fees@{key}" in server.run("calls", n=1)["error"]["traceback"]


def test_the_stacks_of_all_threads_are_shown_when_asked_for(browser: Browser, server: Server) -> None:
    with a_page(browser, server) as page:
        page.goto(f"{server.url}/system")
        threads = page.locator("#threads")
        expect(threads).not_to_contain_text("livegraft-syncer")

        threads.get_by_role("link", name="Show the stacks").click()

        expect(threads).to_contain_text("livegraft-syncer")
        row = threads.get_by_role("row").filter(has_text="livegraft-syncer")
        row.get_by_text("Stack").click()
        expect(row.locator("pre")).to_contain_text("in _follow")
