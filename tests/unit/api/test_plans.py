"""With a million runs every page is as quick as with ten: nothing that pages and API ask grows with the history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from livegraft.access import COOKIE
from livegraft.api.app import router as api_router
from livegraft.run import RunState
from livegraft.web import session
from livegraft.web.app import _SCREENS
from tests.support.api import PREFIX, Api
from tests.support.plans import plans_of, slow_steps


def routes() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Method and pattern of every route of the pages and of the API."""
    pages = [("", screen.router) for screen in (session, *_SCREENS)]
    for prefix, router in (*pages, (PREFIX, api_router)):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                yield method, re.compile("^" + re.escape(prefix) + route.path_regex.pattern.removeprefix("^"))


def walk(api: Api) -> Iterator[tuple[str, str, Any]]:
    """Requests to every route, in all the ways that they are asked. What changes something comes last."""
    script, run, failed = "dir/greet", api.run("dir/greet", name="you")["id"], api.run("fails")["id"]
    api.host.supervisor.shared("counters")["seen"] = 1
    key = api.host.key(script)
    yield "GET", "/", None
    yield "GET", "/scripts", None
    for query in ("q=greet", "state=failing", "state=quarantined"):
        yield "GET", f"/scripts?{query}", None
    states = ("", "open", "succeeded", "failed", "timed out", "stuck", "cancelled", "lost")
    for name, state, before in product(("", script), states, ("", run)):
        yield "GET", f"/runs?script={name}&state={state}&before={before}", None
    for asked in product((None, script), (None, *RunState), (None, run)):
        given = dict(zip(("script", "state", "before"), asked, strict=True))
        query = "&".join(f"{word}={value}" for word, value in given.items() if value)
        yield "GET", f"{PREFIX}/runs?{query}", None
    texts = ("script=dir/", "trigger=cron", "actor=dana", f"version={key[:7]}", "tag=none", "text=you")
    always = "since=2026-01-01T00:00:00Z&until=2036-01-01T00:00:00Z"
    for query in (
        *texts,
        always,
        *(f"{each}&state=failed&{always}" for each in texts),
        "trigger=api&actor=token&before=z",
    ):
        yield "GET", f"/runs?{query}", None
        yield "GET", f"{PREFIX}/runs?{query}", None
    for query in ("actor=dana", "action=pin", f"subject={script}", always, f"actor=token&subject={script}&{always}"):
        yield "GET", f"/audit?{query}", None
        yield "GET", f"{PREFIX}/audit?{query}", None
    for one in (run, failed):
        yield "GET", f"/runs/{one}", None
    for path in (f"/runs/{run}/output", "/releases", "/releases?before=9", "/failures", "/system", "/audit"):
        yield "GET", path, None
    for query in ("", "?outcome=failed&after=a"):
        yield "GET", f"/releases/1{query}", None
        yield "GET", f"{PREFIX}/releases/1/scripts{query}", None
    for path in ("/audit?before=9", "/shared", "/shared/counters", f"/scripts/{script}", "/login?token=wrong"):
        yield "GET", path, None
    yield "GET", f"/scripts/{script}?key={key}&arguments_of={run}", None
    for path in (
        "health",
        "scripts",
        "releases",
        "releases?before=9",
        "versions",
        "stalls",
        "support",
        "slots",
        "audit",
        "replicas",
        "requirements",
    ):
        yield "GET", f"{PREFIX}/{path}", None
    for path in (f"slots?script={script}", "audit?before=9", "shared", "shared/counters?after=a", "openapi.json"):
        yield "GET", f"{PREFIX}/{path}", None
    for path in (f"scripts/{script}", f"scripts/{script}/choices", f"runs/{run}", f"runs/{run}/output"):
        yield "GET", f"{PREFIX}/{path}", None
    for path in ("result", "result.csv", "artifacts", "artifacts/a.csv", "output?offset=1&follow=true"):
        yield "GET", f"{PREFIX}/runs/{run}/{path}", None
    for asked_of in product(("", script), ("", "coming", "ran", "missed"), ("", "2026-11-26", "2026-11-26T07")):
        yield "GET", "/schedule?script={}&state={}&at={}".format(*asked_of), None
    yield "GET", f"{PREFIX}/slots?{always}&state=ran", None
    for path in ("schedule", "jump", "jump?q=greet"):
        yield "GET", f"/{path}", None
    yield "GET", f"/jump?q={run}", None
    yield "GET", f"/scripts/{script}/changes", None
    yield "POST", f"/scripts/{script}/run", {"name": "you"}
    yield "POST", f"/scripts/{script}/run?version={key[:8]}", {"name": "you"}
    yield "POST", f"/scripts/{script}/calls", {"name": "you"}
    yield "POST", f"/scripts/{script}/run-at", {"name": "you", "at": "2030-01-01T00:00"}
    for prefix in ("", PREFIX):
        yield "POST", f"{prefix}/scripts/broken/retry", {} if not prefix else None
        yield "POST", f"{prefix}/scripts/{script}/pause", {"reason": "why"}
        yield "POST", f"{prefix}/scripts/{script}/unpause", {} if not prefix else None
    span = {"first": "2026-01-01T00:00:00Z", "last": "2026-01-02T00:00:00Z"}
    yield "POST", f"{PREFIX}/scripts/{script}/backfill", span
    yield "POST", f"/scripts/{script}/backfill", {"first": "2026-01-01T00:00", "last": "2026-01-02T00:00"}
    for action in ("cancel", "rerun"):
        yield "POST", f"/runs/{action}-many", {"run": [run]}
        yield "POST", f"/runs/{action}-many", {"with": "all", "script": script}
        yield "POST", f"{PREFIX}/runs/{action}", {"runs": [run]}
        yield "POST", f"{PREFIX}/runs/{action}", {"matching": {"actor": "nobody", "state": ["running", "failed"]}}
    yield "POST", f"/runs/{run}/again", {}
    yield "POST", f"/runs/{run}/again?original=1", {}
    yield "POST", f"/runs/{run}/cancel", {}
    yield "POST", f"{PREFIX}/scripts/{script}/runs?wait=20", {}
    yield "POST", f"{PREFIX}/scripts/fails/runs?wait=20", {}
    yield "POST", f"{PREFIX}/runs/{run}/rerun?wait=20", {}
    yield "POST", f"{PREFIX}/runs/{run}/cancel", None
    for path, body in (
        ("quarantine", {"reason": "why"}),
        ("release", None),
        ("pin", {"key": key}),
        ("unpin", None),
    ):
        yield "POST", f"/scripts/{script}/{path}", body or {}
        yield "POST", f"{PREFIX}/scripts/{script}/{path}", body
    for prefix, body in (("/releases/", {}), (f"{PREFIX}/", None)):
        for path in ("sync", "hold", "let-go", "resume"):
            yield "POST", f"{prefix}{path}", body
    revision = api.host.repository.git("rev-parse", "HEAD")
    for prefix, body in (("", {}), (PREFIX, None)):
        yield "GET", f"{prefix}/releases/{revision}/roll-back", None
        yield "POST", f"{prefix}/releases/{revision[:8]}/roll-back", body
        yield "POST", f"{prefix}/releases/{revision[:8]}/undo-roll-back", body
    yield "POST", f"/versions/{script}/scrub", {"key": key}
    yield "POST", f"{PREFIX}/versions/{script}/scrub", {"key": key}
    yield "GET", "/access", None
    yield "POST", "/access", {}
    yield "POST", f"{PREFIX}/links", None
    yield "POST", "/shared/counters/delete", {"key": "seen"}
    yield "POST", "/shared/counters/clear", {}
    yield "DELETE", f"{PREFIX}/shared/counters", None
    yield "POST", "/webhook", {}
    yield "POST", "/logout", {}


def test_nothing_that_a_page_or_the_api_asks_reads_a_table_that_grows(api: Api) -> None:
    cookie = api.access.redeem(api.access.new_login_token())
    missed = set(routes())
    assert len(missed) > 60
    headers = api.bearer | {"Origin": api.origin, "Cookie": f"{COOKIE}={cookie}"}
    asked = list(walk(api))

    with plans_of(api.host.supervisor.store) as plans, httpx.Client(timeout=30) as client:
        for method, path, body in asked:
            as_form = not path.startswith(PREFIX)
            sent = {"data": body} if as_form else {"json": body}
            answer = client.request(method, api.origin + path, headers=headers, **(sent if body is not None else {}))
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"
            assert method != "GET" or answer.status_code != 422, f"{path}: {answer.text}"
            bare = path.partition("?")[0]
            missed = {(known, pattern) for known, pattern in missed if known != method or not pattern.match(bare)}

    # Events never end, and ask nothing.
    assert [pattern for _, pattern in missed if not pattern.match(f"{PREFIX}/events")] == []
    assert len(plans.asked) > 30
    assert plans.slow() == {}


@pytest.mark.parametrize(
    ("statement", "plan", "slow"),
    [
        ("SELECT * FROM runs ORDER BY runs.id DESC LIMIT ?", ["SCAN runs USING INDEX sqlite_autoindex_runs_1"], 0),
        ("SELECT * FROM runs WHERE runs.actor = ? LIMIT ?", ["SCAN runs"], 1),
        ("SELECT * FROM runs WHERE runs.state = ?", ["SEARCH runs USING INDEX runs_by_state (state=?)"], 0),
        ("SELECT * FROM runs WHERE runs.script = ?", ["SEARCH runs USING INDEX runs_by_state (state=?)"], 1),
        ("SELECT * FROM restraints", ["SCAN restraints"], 0),
        ("SELECT * FROM slots WHERE slots.script = ?", ["SEARCH slots", "USE TEMP B-TREE FOR ORDER BY"], 1),
    ],
)
def test_what_counts_as_slow(statement: str, plan: list[str], slow: int) -> None:
    assert len(slow_steps(statement, plan)) == slow
