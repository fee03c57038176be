"""Server-sent events: the output of runs and what happens."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from livegraft.access import COOKIE
from livegraft.runner.output import OutputChunk
from livegraft.supervisor import Supervisor
from tests.support import eventually
from tests.support.api import Api

Message = tuple[str, str, dict[str, Any]]

MANY = 100


@contextmanager
def stream(
    api: Api, path: str, headers: Mapping[str, str] | None = None, *, skip: str = "progress"
) -> Iterator[Iterator[Message]]:
    """The messages of a stream, each as (event, id, data), but those of one name."""
    given = httpx.Headers({**api.bearer, **(headers or {})}, encoding="utf-8")
    with api.client.stream("GET", path, headers=given) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield (message for message in messages(answer) if message[0] != skip)


def messages(answer: httpx.Response) -> Iterator[Message]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


def follow(api: Api, id: str, headers: Mapping[str, str] | None = None) -> tuple[str, Message]:
    """All text that a stream brings, and its last message."""
    with stream(api, f"/runs/{id}/output?follow=1", headers) as found:
        *pieces, end = list(found)
    return "".join(data["text"] for _, _, data in pieces), end


def test_progress_comes_with_the_output(api: Api) -> None:
    id = api.start("waits")

    with stream(api, f"/runs/{id}/output?follow=1", skip="output") as found:
        bars = next(data["bars"] for event, _, data in found if event == "progress")
    api.post(f"/runs/{id}/cancel")

    assert bars == [{"fraction": 0.5, "text": "half way"}]


def test_the_output_of_a_run_that_ended_comes_whole_with_the_run_at_the_end(api: Api) -> None:
    run = api.run("dir/greet", name="Ä", times=3)

    text, (event, _, data) = follow(api, run["id"])

    assert text == "hello Ä\n" * 3
    assert (event, data) == ("end", run)


def test_output_comes_while_the_run_goes(api: Api) -> None:
    id = api.start("waits")

    with stream(api, f"/runs/{id}/output?follow=1") as found:
        event, last, data = next(found)
        assert (event, last, data["offset"], data["text"]) == ("output", "6", 0, "begun\n")
        [(place, at_ms, level)] = data["marks"]
        assert (place, level) == (0, "out")
        assert abs(at_ms / 1000 - time.time()) < 60
        api.post(f"/runs/{id}/cancel")
        event, _, data = next(found)

    assert (event, data["state"]) == ("end", "cancelled")


def test_a_stream_is_resumed_after_the_last_event_that_was_seen(api: Api) -> None:
    id = api.run("dir/greet", name="Dana", times=2)["id"]

    text, _ = follow(api, id, {"Last-Event-ID": "11"})

    assert text == "hello Dana\n"


def test_each_event_can_be_the_last_one_seen(api: Api) -> None:
    id = api.run("prints_much")["id"]
    whole = api.send("GET", f"/runs/{id}/output").text
    with stream(api, f"/runs/{id}/output?follow=1") as found:
        events = [(event_id, data["text"]) for name, event_id, data in found if name == "output"]
    assert len(events) > 1
    seen = ""

    for event_id, text in events:
        seen += text
        rest, _ = follow(api, id, {"Last-Event-ID": event_id})
        assert seen + rest == whole


@pytest.mark.parametrize("last", ["", "x", "-1", "99999999999999999999999999", "9" * 5000, "²"])
def test_a_last_event_that_cannot_be_one_breaks_nothing(api: Api, last: str) -> None:
    id = api.run("dir/greet")["id"]

    _, (event, *_) = follow(api, id, {"Last-Event-ID": last})

    assert event == "end"


def test_who_accepts_only_events_gets_events(api: Api) -> None:
    id = api.run("dir/greet")["id"]

    with stream(api, f"/runs/{id}/output", {"Accept": "text/event-stream"}) as found:
        assert [name for name, *_ in found] == ["output", "end"]


def test_a_hundred_followers_read_the_same_and_the_api_still_answers(api: Api) -> None:
    id = api.start("waits")
    begun = threading.Barrier(MANY + 1)
    ends: list[str] = []

    def read() -> None:
        with stream(api, f"/runs/{id}/output?follow=1") as found:
            assert next(found)[2]["text"] == "begun\n"
            begun.wait(60)
            ends.append(next(found)[0])

    readers = [threading.Thread(target=read) for _ in range(MANY)]
    for reader in readers:
        reader.start()
    begun.wait(60)

    assert api.run("dir/greet")["state"] == "succeeded"
    api.post(f"/runs/{id}/cancel")
    for reader in readers:
        reader.join()
    assert ends == ["end"] * MANY


def test_a_run_is_looked_at_for_its_news_and_not_for_its_followers(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    id = api.start("waits")
    supervisor = api.host.supervisor
    looks: list[int] = []
    read = supervisor.read_output

    def counted(id: str, offset: int, limit: int) -> OutputChunk:
        looks.append(offset)
        return read(id, offset, limit)

    monkeypatch.setattr(supervisor, "read_output", counted)
    with contextlib.ExitStack() as streams:
        followers = [streams.enter_context(stream(api, f"/runs/{id}/output?follow=1")) for _ in range(MANY // 2)]
        for each in followers:
            assert next(each)[2]["text"] == "begun\n"
        before = len(looks)
        eventually(lambda: len(looks) > before, what="a look without news, once a second")
        in_a_second = len(looks) - before
        api.post(f"/runs/{id}/cancel")
        assert [next(each)[0] for each in followers] == ["end"] * len(followers)

    assert in_a_second < len(followers) / 5
    assert len(looks) < 4 * len(followers)


def test_a_run_of_another_process_is_followed_by_its_history(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    id = api.start("waits")
    supervisor = api.host.supervisor
    monkeypatch.setattr(supervisor, "listen", lambda id, told: False)
    monkeypatch.setattr(supervisor, "read_output", lambda id, offset, limit: stored(supervisor, id, offset, limit))
    monkeypatch.setattr(supervisor, "find_run", supervisor.store.runs.get)

    with stream(api, f"/runs/{id}/output?follow=1") as found:
        assert next(found)[2]["text"] == "begun\n"
        api.post(f"/runs/{id}/cancel")
        assert next(found)[0] == "end"


def stored(supervisor: Supervisor, id: str, offset: int, limit: int) -> OutputChunk:
    data = supervisor.store.runs.output(id, offset, limit)
    return OutputChunk(offset, data, offset + len(data))


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_that_is_not_yet_whole_waits_for_its_rest(
    api: Api, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    id = api.start("waits")
    supervisor = api.host.supervisor
    begun, whole = b"begun ", "begun \U0001f600".encode()
    kept = [begun + whole[6 : 6 + cut]]

    def read(id: str, offset: int, limit: int) -> OutputChunk:
        return OutputChunk(offset, kept[0][offset:], max(offset, len(kept[0])))

    monkeypatch.setattr(supervisor, "read_output", read)
    monkeypatch.setattr(supervisor, "output_marks", lambda *given: [])

    with stream(api, f"/runs/{id}/output?follow=1") as found:
        assert next(found)[1:] == ("6", {"offset": 0, "text": "begun ", "marks": []})
        kept[0] = whole
        assert next(found)[1:] == ("10", {"offset": 6, "text": "\U0001f600", "marks": []})
        kept[0] += b"\xf0"
        api.post(f"/runs/{id}/cancel")
        assert next(found)[2]["text"] == "\ufffd"
        assert next(found)[0] == "end"


def test_a_hundred_who_wait_for_a_run_do_not_keep_others_waiting(api: Api) -> None:
    states: list[str] = []
    waiting = [
        threading.Thread(target=lambda: states.append(api.post("/scripts/waits/runs?wait=60", status=201)["state"]))
        for _ in range(MANY)
    ]
    for each in waiting:
        each.start()
    try:
        ids = eventually(lambda: ids_of_open_runs(api, MANY), what="all are started")
        assert api.get("/health")["status"] == "ok"
    finally:
        for id in ids_of_open_runs(api, 0):
            api.post(f"/runs/{id}/cancel")
    for each in waiting:
        each.join()

    assert len(ids) == MANY
    assert states == ["cancelled"] * MANY


def ids_of_open_runs(api: Api, at_least: int) -> list[str]:
    runs = api.get("/runs?script=waits&limit=200")["runs"]
    ids = [run["id"] for run in runs if run["ended_at"] is None]
    return ids if len(ids) >= at_least else []


def test_what_happens_is_told_to_who_listens(api: Api) -> None:
    with stream(api, "/events") as found:
        eventually(lambda: api.host.supervisor.events._subscriptions, what="it listens")
        run = api.run("dir/greet")
        event, _, data = next(found)

    assert (event, data["subject"]) == ("run", run["id"])


def test_a_listener_that_went_is_forgotten(api: Api) -> None:
    with stream(api, "/events"):
        eventually(lambda: api.host.supervisor.events._subscriptions, what="it listens")

    eventually(lambda: not api.host.supervisor.events._subscriptions, what="it is forgotten")


def test_a_stream_ends_with_the_session_that_it_was_opened_with(api: Api) -> None:
    session = api.access.redeem(api.access.new_login_token())
    assert session is not None
    with api.client.stream("GET", "/events", headers={"Cookie": f"{COOKIE}={session}"}) as answer:
        assert answer.status_code == 200
        api.access.end_session(session)

        assert list(messages(answer)) == []
