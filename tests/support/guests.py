"""The battery of badly behaved scripts: each is told what becomes of it, in a thread, in a task and in a process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from livegraft.runner.surroundings import ASPECTS
from tests.support.repository import Repository
from tests.support.server import Server, a_server
from tests.support.waiting import eventually

FOLDER: Final = Path(__file__).parents[1] / "faults" / "guests"
MODES: Final = ("thread", "task", "process")
HOST_DIES: Final = "host dies"
LATE: Final = ("timed out", "stuck")
STEADY: Final = """
    def run():
        print("steady")
        return 1
"""
PAGE: Final = """\
# Bad scripts

What becomes of {count} scripts that behave badly, on purpose or not. Each is a file of `tests/faults/guests`, and runs
there in each of the three ways: in a thread of the host, as a task on its event loop, and in a process of its own.
After each one the host must answer, and run another script as if nothing had been. A cell says how the run ends and
what is said of it; an empty one is a script that makes no sense there.

## What ends the host

Code in the process of the host can end it, and nothing can stop it from doing so:

{fatal}
* Taking memory without end, until the kernel ends the process
* A fault in a C extension that writes where it should not

What comes then is told in [recover from a crash](../howto/recover-from-a-crash.md). In a process of its own none of
these ends anything but the run: [isolate a script](../howto/isolate-a-script.md).

## What is put back

A run in the host's process can change that process for everyone. When the last run that goes on has ended, these are
compared with what they were before; what is different is told in the output of each run that could have done it.

* Put back: {put_back}.
* Told and left as it is, because a library that is imported for the first time changes it in good faith: {left}.
* Told: threads and processes that the run started and left, tasks that had to be cancelled, files that stayed open.

## All of them

| What it does | in a thread | as a task | in a process |
|---|---|---|---|
{rows}
"""
_VERDICT: Final = re.compile(
    r"^# ((?:thread|task|process)(?:, (?:thread|task|process))*): ([a-z ]+?)(?: \| (.+))?$", re.M
)
_IS_ASYNC: Final = "\nasync def run("


@dataclass(frozen=True)
class Verdict:
    """How a run of a guest ends, and what is said of it: in its output, its failure or its result."""

    state: str
    said: str


@dataclass(frozen=True)
class Guest:
    name: str
    code: str

    @property
    def title(self) -> str:
        return self.code.split('"""')[1]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By mode; a guest does not come in every one."""
        return {
            mode: Verdict(state, said or "")
            for modes, state, said in _VERDICT.findall(self.code)
            for mode in modes.split(", ")
        }

    def script(self, mode: str) -> str:
        """Its source in a mode."""
        settings = re.findall(r"^# header: (.+)$", self.code, re.M)
        if self.verdicts[mode].state in LATE:
            settings.append("timeout = 0.5")
        if mode == "process":
            settings.append('isolation = "process"')
        header = "".join(f"# {line}\n" for line in ("/// script", "[tool.livegraft]", *settings, "///"))
        code = self.code
        if mode == "task" and _IS_ASYNC not in code:
            code += "\n_run = run\n\nasync def run():\n    return _run()\n"
        return header + code


def guests() -> list[Guest]:
    return [Guest(file.stem, file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.py"))]


def prompt(mode: str) -> list[str]:
    """The guests that come in a mode and end by themselves."""
    return _names_in(mode, lambda state: state not in LATE and state != HOST_DIES)


def late(mode: str) -> list[str]:
    """Those that never end, and have to be ended."""
    return _names_in(mode, LATE.__contains__)


def fatal(mode: str) -> list[str]:
    """Those that end the host."""
    return _names_in(mode, HOST_DIES.__eq__)


def _names_in(mode: str, is_wanted: Callable[[str], bool]) -> list[str]:
    return [guest.name for guest in guests() if mode in guest.verdicts and is_wanted(guest.verdicts[mode].state)]


class Party:
    """A server whose repository has all guests of one mode."""

    def __init__(self, mode: str, server: Server) -> None:
        self._server = server
        self._verdicts = {guest.name: guest.verdicts[mode] for guest in guests() if mode in guest.verdicts}

    def assert_verdict(self, name: str, told: dict[str, Any] | None = None) -> None:
        """A guest ends as it is told, and the server is as if nothing had been."""
        verdict = self._verdicts[name]
        told = told or self._told(self.start(name, "?wait=20"))
        assert told["state"] == verdict.state, told["said"][:5_000]
        assert verdict.said in told["said"], told["said"][:5_000]
        self.assert_unharmed()

    def assert_ends_the_host(self, name: str) -> None:
        """The server dies of a guest; started again it knows of the run, and is as if nothing had been."""
        with suppress(httpx.TransportError):  # it may die before it answers
            self.start(name)
        assert self._server.wait_for_its_end() != 0
        self._server.start()
        [run] = self._server.get(f"/runs?script={name}")["runs"]
        assert run["state"] == "lost"
        self.assert_unharmed()

    def start(self, name: str, wait: str = "") -> str:
        return str(self._server.post(f"/scripts/{name}/runs{wait}")["id"])

    def run_at_once(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Guests beside each other, until all have ended or are stuck: what is told of their runs."""
        runs = {name: self.start(name) for name in names}
        return {name: self._told(run) for name, run in runs.items()}

    def assert_unharmed(self) -> None:
        """The server answers, and runs another script as ever."""
        steady = self._told(self.start("steady", "?wait=20"))
        assert (steady["state"], steady["result"]) == ("succeeded", 1), steady["said"]
        assert steady["said"].startswith("steady\n"), steady["said"]
        assert steady["output_bytes"] == len("steady\n")

    def _told(self, run: str) -> dict[str, Any]:
        """How a run ended, and all that is said of it."""
        eventually(lambda: self._server.get(f"/runs/{run}")["state"] not in ("queued", "starting", "running"))
        record: dict[str, Any] = self._server.get(f"/runs/{run}")
        error = record.get("error") or {}
        parts = [
            self._server.text(f"/runs/{run}/output"),
            f"{error.get('type', '')}: {error.get('message', '')}",
            str(record.get("result_note")),
            str(record.get("result"))[:1_000],
        ]
        record["said"] = "\n".join(parts)
        return record


def page() -> str:
    """The page of the reference that lists them: ``python -m tests.support.guests > docs/reference/bad-scripts.md``."""
    told = {guest.name: guest for guest in guests()}
    rows = [
        f"| {guest.title.rstrip('.')} | {' | '.join(_cell(guest.verdicts.get(mode)) for mode in MODES)} |"
        for guest in told.values()
    ]
    fatal = [
        guest.title.rstrip(".") for guest in told.values() if guest.verdicts.get("thread") == Verdict(HOST_DIES, "")
    ]
    return PAGE.format(
        count=len(told),
        rows="\n".join(rows),
        fatal="\n".join(f"* {title}" for title in fatal),
        put_back=_names(aspect.name for aspect in ASPECTS if aspect.put_back is not None),
        left=_names(aspect.name for aspect in ASPECTS if aspect.put_back is None),
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(name.rstrip(":") for name in names)


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    said = f": {verdict.said}".replace("|", "\\|") if verdict.said else ""
    return f"{verdict.state}{said}"


def party(mode: str, folder: Path, only: str | None = None) -> Iterator[Party]:
    """For a fixture: the guests of a mode, or one of them, and a server that has them."""
    repository = Repository.create(folder / "scripts")
    files = {
        f"{guest.name}.py": guest.script(mode)
        for guest in guests()
        if mode in guest.verdicts and only in (None, guest.name)
    }
    repository.commit_files({**files, "steady.py": STEADY})
    with a_server(repository.path, folder) as server:
        yield Party(mode, server)


if __name__ == "__main__":
    print(page(), end="")
