"""Take the pictures of the pages in ``docs/images``, of the demonstration's shop with a little history."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Literal

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from examples.shop.__main__ import make_repository
from examples.shop.app import build_shop
from examples.shop.database import open_database
from livegraft import Supervisor
from livegraft.access import Access

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SCREENS = {
    "home": "/",
    "scripts": "/scripts",
    "script": "/scripts/stock/low_stock",
    "runs": "/runs",
    "failures": "/failures",
}
WIDE, PHONE = (1280, 860), (390, 844)
Scheme = Literal["dark", "light"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="livegraft-shots-") as name:
        folder = Path(name)
        db = open_database(folder / "shop.db")
        scripts = make_repository(folder / "scripts")
        with Supervisor(scripts, data=folder / "data", provide={"db": db}) as supervisor:
            server = uvicorn.Server(uvicorn.Config(build_shop(supervisor, db), port=0, log_level="warning"))
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            live_a_little(supervisor, scripts)
            port = server.servers[0].sockets[0].getsockname()[1]
            take(f"http://127.0.0.1:{port}/livegraft", Access.of(supervisor), supervisor)
            server.should_exit = True
            thread.join()
        db.dispose()


def live_a_little(supervisor: Supervisor, scripts: Path) -> None:
    """Some runs, a commit that works and one that does not."""
    well = ("plugin_a", "plugin_b", "carts/cancel_stale", "reports/daily_sales", "stock/low_stock")
    for name in (*well * 6, *("failing",) * 2):
        supervisor.run(name).wait(10)
    pricing, plugin = scripts / "pricing.py", scripts / "plugin_d.py"
    pricing.write_text(pricing.read_text().replace("DISCOUNT = 10", "DISCOUNT = 15"))
    commit(scripts, "Raise the discount")
    supervisor.sync()
    plugin.write_text(plugin.read_text() + "\n\ndef broken(:\n")
    commit(scripts, "Add a second greeting")
    supervisor.sync()


def commit(folder: Path, message: str) -> None:
    subprocess.run(["git", "commit", "-q", "-am", message], cwd=folder, check=True)


def take(url: str, access: Access, supervisor: Supervisor) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        run = supervisor.run("search/reindex", pause_ms=20)  # it goes on while the pictures are taken
        for name, path in {**SCREENS, "run": f"/runs/{run.id}"}.items():
            picture(browser, url, access, name, path, "light", WIDE)
        for name, size in (("dark", WIDE), ("phone", PHONE)):
            picture(browser, url, access, f"home-{name}", "/", "dark", size)
        run.cancel()
        browser.close()


def picture(
    browser: Browser, url: str, access: Access, name: str, path: str, scheme: Scheme, size: tuple[int, int]
) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/login?token={access.new_login_token()}")
    page.goto(url + path)
    page.wait_for_load_state("load")
    page.wait_for_timeout(300)  # fonts and the first events
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


if __name__ == "__main__":
    main()
