"""A real Chromium; tests of the pages are skipped, loudly, where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def a_browser(*flags: str) -> Iterator[Browser]:
    program = _program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        yield browser
        browser.close()


@contextmanager
def a_profile(folder: Path, *flags: str) -> Iterator[BrowserContext]:
    """A browser that keeps what it learns in a folder, as those of people do: only such a one connects ahead."""
    program = _program()
    with sync_playwright() as playwright:
        chromium = playwright.chromium
        context = chromium.launch_persistent_context(folder, executable_path=program, args=[*FLAGS, *flags])
        yield context
        context.close()


def _program() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("NOT TESTED: the pages, because no Chromium is on this machine")
    return program
