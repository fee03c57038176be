"""Take the pictures of the pages: the best into ``docs/images``, every screen in every form into ``build/screenshots``.

They show the demonstration's shop: without a script, with a little history, with very much of all. Two weeks of its
schedules are written down as they might have been.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from examples.shop.__main__ import make_repository
from examples.shop.app import build_shop
from examples.shop.database import open_database
from livegraft import Supervisor
from livegraft.access import Access
from livegraft.run import RunFailure, RunRecord, RunState, Trigger, first_id_of
from livegraft.schedule import Schedule
from livegraft.store import SlotCause, SlotRecord, SlotState

ROOT: Final = Path(__file__).parent.parent
IMAGES: Final = ROOT / "docs" / "images"
ALL: Final = ROOT / "build" / "screenshots"

SCREENS: Final = {
    "home": "/",
    "scripts": "/scripts",
    "runs": "/runs",
    "schedule": "/schedule",
    "releases": "/releases",
    "failures": "/failures",
    "system": "/system",
    "audit": "/audit",
}
SCRIPT: Final = "stock/low_stock"
BEST: Final = ("home", "scripts", "script", "runs", "run", "failures", "schedule")
WIDE, PHONE = (1280, 860), (390, 844)
SIZES: Final = {"desktop": WIDE, "phone": PHONE}
Scheme = Literal["dark", "light"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
CROWD: Final = 300
WEEKS: Final = timedelta(days=14)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Site:
    """The shop, with its pages."""

    url: str
    access: Access
    supervisor: Supervisor
    scripts: Path


@contextmanager
def a_site(make: Callable[[Path], Path], **settings: Any) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="livegraft-shots-") as name:
        folder = Path(name)
        db = open_database(folder / "shop.db")
        scripts = make(folder / "scripts")
        with Supervisor(scripts, data=folder / "data", provide={"db": db}, **settings) as supervisor:
            server = uvicorn.Server(uvicorn.Config(build_shop(supervisor, db), port=0, log_level="warning"))
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            while not server.started:
                thread.join(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Site(f"http://127.0.0.1:{port}/livegraft", Access.of(supervisor), supervisor, scripts)
            server.should_exit = True
            thread.join()
        db.dispose()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with a_site(make_repository) as site:
            live_a_little(site)
            two_weeks(site.supervisor)
            # They go on while the pictures are taken.
            runs = [site.supervisor.run("search/reindex", pause_ms=pause) for pause in (30, 400)]
            screens = {**SCREENS, "script": f"/scripts/{SCRIPT}", "run": f"/runs/{runs[0].id}"}
            for name in BEST:
                picture(browser, site, screens[name], IMAGES / f"{name}.png", "light", WIDE)
            for name, size in (("dark", WIDE), ("phone", PHONE)):
                picture(browser, site, "/", IMAGES / f"home-{name}.png", "dark", size)
            every_form(browser, site, "normal", {**screens, "run": f"/runs/{runs[1].id}"})
            site.supervisor.cancel(runs[1].id, actor="link")
        with a_site(make_repository, safe=True) as site:
            picture(browser, site, "/", IMAGES / "safe-mode.png", "light", WIDE)
        with a_site(an_empty_repository) as site:
            every_form(browser, site, "empty", SCREENS)
        with a_site(a_crowded_repository) as site:
            live_a_little(site)
            two_weeks(site.supervisor)
            every_form(browser, site, "crowded", SCREENS)
        browser.close()


def an_empty_repository(folder: Path) -> Path:
    """No script left in it."""
    make_repository(folder)
    subprocess.run(["git", "rm", "-q", "-r", "."], cwd=folder, check=True)
    commit(folder, "Begin anew")
    return folder


def a_crowded_repository(folder: Path) -> Path:
    """Very many scripts, some of which do not load."""
    make_repository(folder)
    for n in range(CROWD):
        file = folder / f"team{n % 12:02}" / f"report{n:03}.py"
        file.parent.mkdir(exist_ok=True)
        body = "def run(: ...\n" if n % 20 == 7 else "def run(days: int = 7) -> int:\n    return days\n"
        file.write_text(f'# cron: {n % 60} * * * *\n"""One of the many reports of team {n % 12}."""\n\n{body}')
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    commit(folder, "Take over the reports of all teams")
    return folder


def live_a_little(site: Site) -> None:
    """Some runs, a commit that works and one that does not."""
    well = ("plugin_a", "plugin_b", "carts/cancel_stale", "reports/daily_sales", SCRIPT)
    for name in (*well * 6, *("failing",) * 2):
        site.supervisor.run(name).wait(10)
    pricing, plugin = site.scripts / "pricing.py", site.scripts / "plugin_d.py"
    pricing.write_text(pricing.read_text().replace("DISCOUNT = 10", "DISCOUNT = 15"))
    commit(site.scripts, "Raise the discount")
    site.supervisor.sync()
    plugin.write_text(plugin.read_text() + "\n\ndef broken(:\n")
    commit(site.scripts, "Add a second greeting")
    site.supervisor.sync()


def commit(folder: Path, message: str) -> None:
    subprocess.run(["git", "commit", "-q", "-am", message], cwd=folder, check=True)


def two_weeks(supervisor: Supervisor) -> None:
    """What two schedules left: a night without the process, hours in which the shop did not answer, skipped ones."""
    now = datetime.now(UTC)
    for name in ("probes/routes", "reports/daily_sales"):
        status = supervisor.script(name)
        for line in status.schedules:
            schedule = Schedule.parse(f"{line.cron} {line.timezone}")
            for n, at in enumerate(schedule.between(now - WEEKS, now - MINUTE)):
                write_down(supervisor, SlotRecord(name, schedule.id, at, SlotState.RAN, at), n, now - at)


def write_down(supervisor: Supervisor, slot: SlotRecord, n: int, age: timedelta) -> None:
    slots, runs = supervisor.store.slots, supervisor.store.runs
    if 130 * HOUR < age < 134 * HOUR:
        slots.claim(_without_run(slot, SlotState.MISSED, SlotCause.LATE, "the process was not running"))
        return
    if n % 331 == 100:
        slots.claim(_without_run(slot, SlotState.SKIPPED, SlotCause.OVERLAP, "the run before goes on"))
        return
    version = supervisor.script(slot.script).version
    key, revision = (version.key, version.revision) if version else ("", "")
    fails = 60 * HOUR < age < 63 * HOUR or n % 997 == 400
    run = RunRecord(
        f"{first_id_of(slot.slot_at)[:9]}{n:07}",
        slot.script,
        key,
        revision,
        Trigger.CRON,
        "cron",
        {},
        RunState.QUEUED,
        "",
        slot.slot_at,
        slot_at=slot.slot_at,
    )
    slots.claim(SlotRecord(slot.script, slot.schedule, slot.slot_at, SlotState.RAN, slot.slot_at, run.id), run)
    runs.start(run.id, slot.slot_at)
    failure = RunFailure("httpx.ConnectError", "the shop does not answer", "probes/routes.py", 14) if fails else None
    ended_at = slot.slot_at + timedelta(milliseconds=90 + n * 7919 % 170)
    runs.end(run.id, RunState.FAILED if fails else RunState.SUCCEEDED, ended_at, failure=failure)


def _without_run(slot: SlotRecord, state: SlotState, cause: SlotCause, reason: str) -> SlotRecord:
    return SlotRecord(slot.script, slot.schedule, slot.slot_at, state, slot.slot_at, None, reason, cause)


def every_form(browser: Browser, site: Site, name: str, screens: dict[str, str]) -> None:
    """Each screen light and dark, on a desktop and on a phone."""
    for scheme, (size, pixels) in product(SCHEMES, SIZES.items()):
        for screen, path in screens.items():
            file = ALL / name / f"{screen}-{scheme}-{size}.png"
            picture(browser, site, path, file, scheme, pixels)


def picture(browser: Browser, site: Site, path: str, file: Path, scheme: Scheme, size: tuple[int, int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{site.url}/login?token={site.access.new_login_token()}")
    page.goto(site.url + path)
    page.wait_for_load_state("load")
    page.wait_for_timeout(300)  # fonts and the first events
    page.screenshot(path=file)
    context.close()


if __name__ == "__main__":
    main()
