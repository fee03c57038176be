"""Figures of the pages with 10,000 scripts and 1,000,000 runs: at the server, in a browser, followed by many."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psutil
from playwright.sync_api import Browser, Page, expect

from benchmarks.figures import Figure, median, percentile, told
from benchmarks.histories import RUNS, SCRIPTS, fill
from benchmarks.repositories import commit_many, repository_of, script_text
from tests.support import Repository, eventually
from tests.support.browser import a_browser
from tests.support.server import TOKEN, Server, a_server

TIMES: Final = 100
VISITS: Final = 5
FOLLOWERS: Final = 500
LINES: Final = 100_000

PAGE_MS: Final = 100
PAINT_MS: Final = 1_000
FIRST_VISIT_KB: Final = 200

PRINTS: Final = {
    "bench/clock.py": """
import time
def run(seconds: int = 20):
    until = time.time() + seconds
    while time.time() < until:
        print(f"at {time.time_ns()}")
        time.sleep(0.1)
""",
    "bench/lines.py": """
import time
def run(lines: int, each_second: int = 0):
    for n in range(lines):
        print(f"{n} INFO an order of 17 parts was packed in 12 ms")
        if each_second and n % (each_second // 20) == 0:
            time.sleep(0.05)
""",
}

WATCH: Final = """
globalThis.longest = 0;
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) longest = Math.max(longest, each.duration);
}).observe({ type: "longtask", buffered: true });
"""
PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
FRAMES: Final = """(count) => new Promise((done) => {
  const log = document.getElementById("log");
  const frames = [];
  let last = performance.now();
  const step = (now) => {
    frames.push(now - last);
    last = now;
    log.scrollTop = (log.scrollHeight - log.clientHeight) * (frames.length / count);
    frames.length < count ? requestAnimationFrame(step) : done(frames.slice(1));
  };
  requestAnimationFrame(step);
})"""


def measure(folder: Path, *, runs: int = RUNS, scripts: int = SCRIPTS) -> Iterator[Figure]:
    with told(f"making {runs:,} runs of {scripts:,} scripts"):
        fill(folder / "data" / "history.db", runs=runs, scripts=scripts)
        repository = a_repository(folder / "repository", scripts)
    with a_server(repository.path, folder) as server:
        with told("the pages at the server"):
            yield from at_the_server(server, pages(server))
        with told(f"{FOLLOWERS} followers of one run"):
            yield from followed(server)
        with told("the pages in Chromium"), a_browser() as browser:
            yield from in_a_browser(server, browser)
            yield from long_output(server, browser)


def a_repository(folder: Path, scripts: int) -> Repository:
    """The scripts that the runs of the history are of, and those that are run here."""
    repository = repository_of(folder, 0)
    files = {f"team{n % 50:02}/script{n:05}.py": script_text(n) for n in range(scripts)}
    commit_many(repository, files | PRINTS)
    return repository


def pages(server: Server) -> Mapping[str, str]:
    run = server.get("/runs?limit=1")["runs"][0]
    deep = server.get("/runs?limit=100&script=team07/script00007")["runs"][-1]["id"]
    script = "team07/script00007"
    release = server.get("/releases?limit=1")["releases"][0]["id"]
    return {
        "home": "/",
        "scripts, as a tree": "/scripts",
        "scripts, flat, page 50": "/scripts?view=flat&page=50",
        "scripts, searched": "/scripts?q=script00",
        "scripts that fail": "/scripts?state=failing",
        "scripts with a schedule": "/scripts?scheduled=yes",
        "a script": f"/scripts/{script}",
        "runs": "/runs",
        "runs, from far back": f"/runs?before={deep}",
        "runs that failed": "/runs?state=failed",
        "runs of a script": f"/runs?script={script}",
        "runs of a folder": "/runs?script=team07/",
        "runs with a text": "/runs?text=stock",
        "a run": f"/runs/{run['id']}",
        "releases": "/releases",
        "a release of all scripts": f"/releases/{release}",
        "failures": "/failures",
        "schedule": "/schedule",
        "schedule of a script": f"/schedule?script={script}",
        "system": "/system",
        "shared data": "/shared",
        "audit": "/audit",
        "audit of an actor": "/audit?actor=dana",
        "jump": "/jump?q=script00",
        "API: scripts": "/api/v1/scripts",
        "API: runs": "/api/v1/runs",
        "API: releases": "/api/v1/releases",
        "API: scripts of a release": f"/api/v1/releases/{release}/scripts",
    }


def at_the_server(server: Server, asked: Mapping[str, str]) -> Iterator[Figure]:
    """From the request to the whole answer, one request after the other on one connection."""
    with httpx.Client(base_url=server.url, timeout=120, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        client.get(urlsplit(new_link(server))._replace(scheme="", netloc="").geturl())
        for name, path in asked.items():
            times = []
            before = 0.0
            for n in range(TIMES + 2):
                if n == 2:
                    before = _processor_seconds(server)
                begin = time.perf_counter()
                answer = client.get(path)
                times.append((time.perf_counter() - begin) * 1000)
                assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
            yield Figure(f"page at the server: {name}, p50", median(times[2:]), "ms")
            yield Figure(f"page at the server: {name}, p95", percentile(times[2:], 0.95), "ms", PAGE_MS)
            spent = (_processor_seconds(server) - before) / TIMES * 1000
            yield Figure(f"page at the server: {name}, longest", max(times[2:]), "ms")
            yield Figure(f"page at the server: {name}, processor time", spent, "ms")


def _processor_seconds(server: Server) -> float:
    assert server.process is not None
    times = psutil.Process(server.process.pid).cpu_times()
    return float(times.user + times.system)


def new_link(server: Server) -> str:
    return f"{server.url}/login?token={server.post('/links')['login_token']}"


def followed(server: Server) -> Iterator[Figure]:
    id = server.post("/scripts/bench/clock/runs", {"arguments": {"seconds": 30}})["id"]
    for count in (1, FOLLOWERS):
        before = _processor_seconds(server)
        begin = time.perf_counter()
        late = asyncio.run(_follow(server.url, f"/api/v1/runs/{id}/output?follow=1", count, seconds=8))
        share = (_processor_seconds(server) - before) / (time.perf_counter() - begin)
        yield Figure(f"{count} followers: from print to a follower, p50", median(late), "ms")
        yield Figure(f"{count} followers: from print to a follower, p99", percentile(late, 0.99), "ms")
        yield Figure(f"{count} followers: share of a core that the server takes", share * 100, "%")
    server.post(f"/runs/{id}/cancel")


async def _follow(url: str, path: str, count: int, seconds: float) -> list[float]:
    """Milliseconds from each print until each follower had it, without the first seconds, in which all connect."""
    late: list[float] = []
    counts_from = time.time() + seconds / 2

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        while time.time() < counts_from + seconds / 2:
            piece = await reader.read(1 << 16)
            now = time.time_ns()
            if time.time() > counts_from:
                late.extend((now - int(at)) / 1e6 for at in re.findall(rb"at (\d{19})", piece))
        writer.close()

    await asyncio.gather(*(one() for _ in range(count)))
    return late


def in_a_browser(server: Server, browser: Browser) -> Iterator[Figure]:
    for name, path in (("home", "/"), ("scripts", "/scripts"), ("runs", "/runs"), ("schedule", "/schedule")):
        paints, weights = [], []
        for _ in range(VISITS):
            with closing(_signed_in(server, browser)) as page:
                sizes: list[float] = []
                cdp = page.context.new_cdp_session(page)
                cdp.send("Network.enable")
                cdp.send("Network.clearBrowserCache")
                cdp.on("Network.loadingFinished", lambda said, to=sizes: to.append(said["encodedDataLength"]))
                page.goto(server.url + path, wait_until="load")
                paints.append(eventually(lambda page=page: page.evaluate(PAINT), what="the first paint"))
                weights.append(sum(sizes) / 1000)
        yield Figure(f"first visit in Chromium: {name}, first paint", median(paints), "ms", PAINT_MS)
        yield Figure(f"first visit in Chromium: {name}, all that came", max(weights), "kB", FIRST_VISIT_KB)


def _signed_in(server: Server, browser: Browser) -> Page:
    page = browser.new_context().new_page()
    page.add_init_script(WATCH)
    page.goto(new_link(server))
    page.goto("about:blank")
    return page


def long_output(server: Server, browser: Browser) -> Iterator[Figure]:
    page = _signed_in(server, browser)
    done = server.post("/scripts/bench/lines/runs?wait=60", {"arguments": {"lines": LINES}})["id"]
    page.goto(f"{server.url}/runs/{done}")
    begin = time.perf_counter()
    expect(page.locator("#log")).to_contain_text(f"{LINES - 1} INFO", timeout=60_000)
    yield Figure(f"{LINES} lines in Chromium, until the last is seen", time.perf_counter() - begin, "s")
    yield Figure(f"{LINES} lines in Chromium, the longest task while they come", _longest(page), "ms")
    frames = page.evaluate(FRAMES, 200)
    yield Figure(f"scrolling through {LINES} lines, a frame, p50", median(frames), "ms")
    yield Figure(f"scrolling through {LINES} lines, the longest frame", max(frames), "ms")
    going = server.post("/scripts/bench/lines/runs", {"arguments": {"lines": LINES, "each_second": 10_000}})["id"]
    page.goto(f"{server.url}/runs/{going}")
    expect(page.locator("#log")).to_contain_text(f"{LINES - 1} INFO", timeout=120_000)
    yield Figure("following 10,000 lines a second in Chromium, the longest task", _longest(page), "ms")
    page.context.close()


def _longest(page: Page) -> Any:
    return page.evaluate("longest")
