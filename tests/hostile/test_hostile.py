"""Hostile texts in every field: pages show them as text, run nothing of them and ask no other host for anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from livegraft.access import COOKIE
from tests.hostile.eyes import Watched, strange_tags, watched
from tests.hostile.site import Site, a_site

pytestmark = [
    pytest.mark.filterwarnings("default::UserWarning"),  # scripts warn, with hostile words
    pytest.mark.skipif("LIVEGRAFT_HOSTILE" not in os.environ, reason="opens every page with every text: make hostile"),
]

SCREENS = ("/", "/?state=failing", "/runs", "/releases", "/failures", "/schedule", "/system", "/shared", "/audit")
REFLECTING = (
    "/?q={}&state={}", "/runs?script={}", "/schedule?script={}", "/runs?before={}", "/shared/hostile?after={}", "/{}", "/scripts/{}",
    "/runs/{}", "/shared/{}", "/login?token={}", "/jump?q={}", "/system?state={}", "/scripts/crowd?key={}", "/scripts/crowd?arguments_of={}",
    "/scripts/crowd/changes?key={}&against={}", "/static/{}", "/api/v1/{}", "/api/v1/runs?before={}", "/api/v1/slots?before={}",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("hostile")) as site:
        yield site


@pytest.fixture(scope="module")
def eyes(site: Site) -> Iterator[Watched]:
    with watched(site.api.origin) as eyes:
        eyes.page.goto(f"{site.api.origin}/login?token={site.api.access.new_login_token()}")
        yield eyes


def pages(site: Site) -> list[str]:
    """Every page that shows what is in the site."""
    supervisor = site.host.supervisor
    found = [*SCREENS]
    names = [each.name for each in supervisor.shared.names() if each.name != "hostile"]
    found += [f"/shared/{quote(name)}" for name in ("hostile", *names[: len(site.singles) // 2])]
    found += [f"/scripts/{quote(name)}" for name in supervisor.script_names]
    found += [f"/scripts/each/s{n}/changes" for n in range(0, len(site.singles), 4)]
    found += [f"/runs/{run.id}" for run in site.runs]
    found.append(f"/scripts/crowd?arguments_of={site.runs[0].id}")
    return found


def test_every_field_is_text_on_every_page(site: Site, eyes: Watched) -> None:
    for path in pages(site):
        eyes.look(path)

    assert eyes.noticed == []
    assert eyes.trap.caught == []


def test_what_runs_made_runs_nothing_where_it_is_opened_by_itself(site: Site, eyes: Watched) -> None:
    for run in site.runs:
        if run.result and run.result.kind in ("html", "svg"):
            eyes.look(f"/api/v1/runs/{run.id}/result", is_ours=False)
            assert eyes.page.evaluate("globalThis.ran ?? []") == []

    assert eyes.noticed == []
    assert eyes.trap.caught == []


def test_what_an_address_says_is_text_on_the_page_that_answers(site: Site) -> None:
    client = site.api.client
    cookie = {"Cookie": f"{COOKIE}={site.api.access.redeem(site.api.access.new_login_token())}"}
    for payload in site.singles:
        for form in REFLECTING:
            answer = client.get(site.api.origin + form.replace("{}", quote(payload, safe="")), headers=cookie)

            assert answer.status_code < 500, form
            assert "pwned" not in answer.headers.get("set-cookie", "")
            if answer.headers["content-type"].startswith("text/html"):
                assert strange_tags(answer.text) == [], form
            assert answer.headers["content-security-policy"].startswith(("default-src 'none'", "sandbox"))
            assert answer.headers["x-content-type-options"] == "nosniff"
