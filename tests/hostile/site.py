"""A host whose every text is hostile: names, commits, headers, parameters, runs and what they leave, decisions."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from livegraft.run import RunRecord, Trigger
from tests.hostile import corpus
from tests.support.api import Api, an_api
from tests.support.host import Host
from tests.support.raw_objects import write_object

BESIDE = ("json", "table", "records", "text")
"""Kinds of results that keep texts apart: one shows several as well as it shows each by itself."""

ALONE = ("markdown", "html", "svg")
"""Kinds in which what a text begins may reach to the end of the result."""

TOGETHER = 10

SHOWS = """
import json, logging, sys, warnings
import livegraft

def show(payload):
    print(payload)
    print("before", payload, "after", file=sys.stderr)
    warnings.warn(payload)
    logging.getLogger(payload).error("%s", payload)
    livegraft.progress(0.5, payload)

def keep(payload):
    for name, key in (("hostile", payload[:200]), (payload[:200], "text")):
        try:
            livegraft.shared(name).put(key, {payload: [payload]})
        except Exception as error:  # not a name of shared data: it says why
            print(error)

def leave(payload):
    try:
        (livegraft.artifacts() / (payload.replace("/", "")[:60] or "empty")).write_text(payload)
    except (OSError, ValueError) as error:
        print(error)

def shown(kind, text):
    return type("Shown", (), {f"_repr_{kind}_": lambda self: text})()

def result(kind, payloads):
    if kind == "json":
        return [{"nested": [payload, {payload: payload}]} for payload in payloads]
    if kind == "records":
        return [{payload: payload for payload in payloads}]
    if kind == "table":
        return [{"name": payload, "value": payload} for payload in payloads]
    if kind == "text":
        return type("Text", (), {"__repr__": lambda self: "\\n".join(payloads)})()
    if kind == "markdown":
        return livegraft.Markdown("\\n\\n".join(
            form.replace("PAYLOAD", payload) for payload in payloads
            for form in ("PAYLOAD", "[PAYLOAD](PAYLOAD)", "![PAYLOAD](PAYLOAD)", "| PAYLOAD |\\n| --- |\\n| PAYLOAD |")
        ))
    if kind == "svg":
        return shown("svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">' + "".join(payloads) + "</svg>")
    return shown("html", "<p>" + "\\n".join(payloads))
"""

CROWD = """
from shows import keep, leave, result, show
def run(kind: str = "json", given: list[str] = []):
    for payload in given:
        show(payload)
        keep(payload)
    for payload in given[:100]:
        leave(payload)
    return result(kind, given)
"""

EACH = """
# /// script
# [tool.livegraft]
# description = {toml}
# owner = {toml}
# tags = [{toml}]
# ///
PAYLOAD = {text}
from typing import Annotated, Literal
from pydantic import Field, AfterValidator
from shows import keep, leave, result, show
from livegraft import choices

def refuse(value: str) -> str:
    if value == "refuse":
        raise ValueError(PAYLOAD)
    return value

def offered():
    return {{PAYLOAD: PAYLOAD}}

def run(kind: str = "json",
        text: Annotated[str, Field(title={text}, description={text}, examples=[{text}]), AfterValidator(refuse)] = {text},
        chosen: Literal[{text}, "other"] = {text}, offer: Annotated[str, choices(offered)] = {text},
        many: list[str] = [{text}], anything: dict[str, str] = {{{text}: {text}}}):
    show(PAYLOAD); keep(PAYLOAD); leave(PAYLOAD)
    if kind == "fail":
        try:
            error = type(PAYLOAD, (Exception,), {{}})
        except ValueError:
            error = LookupError
        raise error(PAYLOAD)
    return result(kind, [PAYLOAD])
"""

BROKEN = "def load():\n    raise ImportError({text})  # {plain}\nload()\ndef run(): ...\n"


def toml(text: str) -> str:
    """Headers take no blank text."""
    text = text if text.strip() else f"x{text}"
    return '"' + "".join(f"\\U{ord(letter):08X}" for letter in text) + '"'


def plain(text: str) -> str:
    """As much of it as a comment on one line can have."""
    return "".join(letter for letter in text if letter.isprintable())


class Site:
    """The host, its API, and what was made of the payloads. ``singles`` have scripts, runs and commits of their own."""

    def __init__(self, api: Api, singles: Sequence[str]) -> None:
        self.api = api
        self.singles = singles
        self.runs: list[RunRecord] = []

    @property
    def host(self) -> Host:
        return self.api.host

    def live_a_little(self) -> None:
        supervisor = self.host.supervisor
        for kind in (*BESIDE, *ALONE):
            self.start("crowd", {"kind": kind, "given": corpus.read()})
        for first, kind in product(range(0, len(self.singles), TOGETHER), BESIDE):
            self.start("crowd", {"kind": kind, "given": self.singles[first : first + TOGETHER]})
        for n, payload in enumerate(self.singles):
            for kind in (*ALONE, "fail"):
                self.start(f"each/s{n}", {"kind": kind, "text": payload, "anything": {payload: payload}})
            self.commit(n, payload)
            supervisor.pause(f"each/s{n}", actor=payload, reason=payload)
            supervisor.pin(f"each/s{n}", key=self.host.key(f"each/s{n}"), actor=payload, reason=payload)
            if n % 2:
                supervisor.quarantine(f"each/s{n}", actor=payload, reason=payload)
        self.break_some()
        supervisor.hold(actor=self.singles[0], reason=self.singles[0])

    def break_some(self) -> None:
        """Last of all: what does not load is tried again with every commit."""
        self.host.repository.commit_files(
            {
                f"broken/b{n}.py": BROKEN.format(text=ascii(payload), plain=plain(payload))
                for n, payload in enumerate(self.singles)
            }
        )
        self.host.sync()

    def start(self, script: str, arguments: dict[str, Any]) -> None:
        run = self.host.supervisor.submit(script, arguments, trigger=Trigger.API, actor=arguments.get("text", "host"))
        self.runs.append(run.wait(60))

    def commit(self, n: int, payload: str) -> None:
        """A commit whose author, address and message are the payload."""
        repository = self.host.repository
        repository.write({f"each/s{n}.py": each(payload) + "# again\n"})
        repository.git("add", "-A")
        tree, parent = repository.git("write-tree"), repository.git("rev-parse", "HEAD")
        person = f"{utf_7(payload)} <{utf_7(payload[:40])}> {n} +0000".encode()
        head = [b"tree " + tree.encode(), b"parent " + parent.encode(), b"author " + person, b"committer " + person]
        data = b"\n".join([*head, b"encoding utf-7", b"", utf_7(payload).encode(), b"", b"again", b""])
        repository.publish(write_object(repository, "commit", data))
        self.host.sync()


def utf_7(text: str) -> str:
    """In an encoding that a commit may name: git sees none of the letters that it refuses in the name of a person."""
    return f"+{base64.b64encode(text.encode('utf-16-be')).decode().rstrip('=')}-"


def each(payload: str) -> str:
    return EACH.format(toml=toml(payload), text=ascii(payload))


def scripts(singles: Sequence[str]) -> dict[str, str]:
    found = {
        "shows.py": SHOWS,
        "crowd.py": CROWD,
    }
    for n, payload in enumerate(singles):
        found[f"each/s{n}.py"] = each(payload)
        name = payload.replace("/", "").replace("\0", "")[:50]
        if name not in ("", ".", ".."):
            found[f"{name}/{name}.py"] = "def run(): ...\n"
    return found


@contextmanager
def a_site(folder: Path) -> Iterator[Site]:
    """All payloads stand together in one script; ``LIVEGRAFT_HOSTILE`` of them have scripts, runs and commits of their own."""
    payloads = corpus.read()
    count = int(os.environ.get("LIVEGRAFT_HOSTILE", "1"))
    step = max(1, len(payloads) // count)
    singles = payloads[step // 2 :: step][:count]
    with an_api(folder, scripts(singles)) as api:
        site = Site(api, singles)
        site.live_a_little()
        yield site
