"""Hostile texts in every field: pages show them as text, run nothing of them and ask no other host for anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from livegraft.access import COOKIE
from tests.hostile.eyes import Watched, strange_tags, watched
from tests.hostile.site import Site, a_site

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # scripts warn, and pytest would list all their words

SCREENS = (
    "/", "/scripts", "/scripts?state=failing", "/scripts?view=tree&folder=each/", "/runs", "/runs?text=pwned&state=failed",
    "/releases", "/failures", "/schedule", "/system", "/system?stacks=1", "/shared", "/audit", "/audit?action=pin", "/access",
)  # fmt: skip
REFLECTING = (
    "/?q={}&state={}", "/scripts?q={}&state={}&tag={}&owner={}&scheduled={}&view={}&folder={}", "/runs?before={}", "/{}",
    "/runs?script={}&state={}&trigger={}&actor={}&version={}&since={}&until={}&tag={}&text={}", "/schedule?script={}&state={}&at={}",
    "/audit?actor={}&action={}&subject={}&since={}&until={}", "/audit?before={}", "/shared/hostile?after={}", "/scripts/{}",
    "/runs/{}", "/shared/{}", "/login?token={}", "/jump?q={}", "/jump?q=run%20{}", "/system?state={}&stacks={}",
    "/releases?before={}", "/scripts/crowd?key={}&line={}", "/scripts/crowd?arguments_of={}", "/schedule?before={}",
    "/scripts/crowd/changes?key={}&against={}", "/static/{}", "/api/v1/{}", "/api/v1/runs?before={}", "/api/v1/slots?before={}",
    "/api/v1/runs?script={}&tag={}&text={}", "/api/v1/audit?actor={}", "/webhook?{}", "/releases/{}/roll-back", "/releases/1?outcome={}&after={}",
)  # fmt: skip
SENT = {
    "/runs/cancel-many": ("script", "state", "trigger", "actor", "version", "since", "until", "tag", "text", "before"),
    "/scripts/each/s0/run": ("kind", "text", "chosen", "offer", "many", "anything"),
    "/scripts/each/s0/run-at": ("key", "kind", "text"),
    "/scripts/each/s0/pin": ("key", "reason"),
    "/scripts/each/s0/backfill": ("since", "until"),
    "/scripts/each/s0/calls": ("kind", "text", "chosen", "offer", "many", "anything"),
    "/releases/hold": ("reason",),
    "/shared/hostile/delete": ("key",),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("hostile")) as site:
        yield site


@pytest.fixture(scope="module")
def eyes(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(site.api.origin, tmp_path_factory.mktemp("profile")) as eyes:
        eyes.page.goto(f"{site.api.origin}/login?token={site.api.access.new_login_token()}")
        yield eyes
        print(f"{len(site.singles)} texts by themselves, {len(site.runs)} runs, {eyes.opened} pages opened")


def pages(site: Site) -> list[str]:
    """Every page that shows what is in the site."""
    supervisor = site.host.supervisor
    found = [*SCREENS]
    names = [each.name for each in supervisor.shared.names() if each.name != "hostile"]
    found += [f"/shared/{quote(name)}" for name in ("hostile", *names[: len(site.singles)])]
    found += [f"/scripts/{quote(name)}" for name in supervisor.script_names]
    found += [f"/scripts/each/s{n}/changes" for n in range(0, len(site.singles), 4)]
    found += [f"/runs/{run.id}" for run in site.runs]
    releases = supervisor.releases(limit=len(site.singles))
    found += [path for each in releases for path in (f"/releases/{each.id}", f"/releases/{each.revision}/roll-back")]
    found.append(f"/scripts/crowd?arguments_of={site.runs[0].id}")
    return found


def test_every_field_is_text_on_every_page(site: Site, eyes: Watched) -> None:
    for path in pages(site):
        eyes.look(path)

    assert eyes.noticed == []
    assert eyes.got_out() == []


def test_what_runs_made_runs_nothing_where_it_is_opened_by_itself(site: Site, eyes: Watched) -> None:
    for run in site.runs:
        if run.result and run.result.kind in ("html", "svg"):
            eyes.look(f"/api/v1/runs/{run.id}/result", is_ours=False)
            assert eyes.page.evaluate("globalThis.ran ?? []") == []

    assert eyes.noticed == []
    assert eyes.got_out() == []


def test_a_connection_ahead_is_seen_where_links_are_left_as_they_are(site: Site, eyes: Watched) -> None:
    """What the other tests find nothing of: a program gets HTML as it is, and a browser that is one connects."""
    run = next(run for run in site.runs if run.result and run.result.kind == "html")
    eyes.page.set_extra_http_headers(site.api.bearer)
    eyes.look(f"/api/v1/runs/{run.id}/result", is_ours=False)
    eyes.page.set_extra_http_headers({})

    assert any("elsewhere.example" in each for each in eyes.got_out())


def test_what_an_address_says_is_text_on_the_page_that_answers(site: Site) -> None:
    """Forms that are sent and the webhook say it too."""
    client = site.api.client
    cookie = {
        "Cookie": f"{COOKIE}={site.api.access.redeem(site.api.access.new_login_token())}",
        "Origin": site.api.origin,
    }
    for payload in site.singles:
        told = quote(payload, safe="")
        answers = [client.get(site.api.origin + form.replace("{}", told), headers=cookie) for form in REFLECTING]
        for path, fields in SENT.items():
            sent = dict.fromkeys(fields, payload)
            answers.append(client.post(site.api.origin + path, headers=cookie, data={**sent, "with": "all"}))
        signature = re.sub(rb"[\0-\x1f\x7f]", b"", payload.encode()).strip()
        hook = {b"X-Hub-Signature-256": signature, b"X-Gitlab-Token": signature}
        answers.append(client.post(site.api.origin + "/webhook", headers=hook, content=payload.encode()))

        for answer in answers:
            form = answer.request.url.path
            assert answer.status_code < 500, form
            assert "pwned" not in answer.headers.get("set-cookie", "")
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert strange_tags(answer.text) == [], form
            assert answer.headers["content-security-policy"].startswith(("default-src 'none'", "sandbox"))
            assert answer.headers["x-content-type-options"] == "nosniff"
