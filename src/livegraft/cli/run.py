"""``livegraft run`` in a work tree and ``livegraft start`` on a server: the script's parameters are options."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from livegraft.api.shapes import bars, offer
from livegraft.check import supervised_tree
from livegraft.cli.arguments import read_arguments, usage
from livegraft.cli.client import Client
from livegraft.cli.printing import print_json
from livegraft.cli.resources import resources
from livegraft.cli.results import copy_artifacts, plain_result, print_result, print_result_of
from livegraft.cli.status_line import StatusLine
from livegraft.errors import ConfigurationError, ConflictError, LoadError
from livegraft.run import OPEN_STATES, RunRecord, RunResult, RunState, Trigger
from livegraft.run_handle import Run
from livegraft.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class _Call:
    """A command line: our own options, then the script's name, then the script's own options."""

    ours: Mapping[str, list[str]]
    name: str
    options: tuple[str, ...]

    def one(self, option: str, default: str | None = None) -> str | None:
        given = self.ours.get(option)
        return given[-1] if given else default

    @property
    def as_json(self) -> bool:
        return "--json" in self.ours

    @property
    def wants_help(self) -> bool:
        return "--help" in self.options


def run_here(words: Sequence[str]) -> int:
    """Run a script of a work tree; the exit status."""
    call = _read(words, flags={"--json"}, values={"--path", "--provide", "--artifacts"})
    folder = Path(call.one("--path") or "").resolve()
    with supervised_tree(folder, resources(call.ours.get("--provide", []))) as supervisor:
        status = supervisor.script(call.name)
        if call.wants_help:
            offers = {name: offer(each) for name, each in supervisor.offers(call.name).items()}
            return _show_usage(call.name, status.description, status.parameters, offers)
        if status.version is None and status.error is not None:
            failure = status.error.failure
            raise LoadError(failure.path or call.name, failure.line, failure.message, failure.traceback)
        arguments = read_arguments(call.name, call.options, status.parameters)
        run = supervisor.submit(call.name, arguments, trigger=Trigger.CLI, actor="cli")
        record = _watch(supervisor, run, is_quiet=call.as_json)
        if call.as_json:
            print_json(_outcome(record, supervisor.result(record.id), run.output))
        elif record.state is RunState.SUCCEEDED:
            _print_result(supervisor, record)
        elif record.failure is not None:
            print(record.failure.traceback or f"{record.state}: {record.failure.message}", file=sys.stderr)
        _keep_artifacts(supervisor, record, call.one("--artifacts"))
        return 0 if record.state is RunState.SUCCEEDED else 1


def _watch(supervisor: Supervisor, run: Run, *, is_quiet: bool) -> RunRecord:
    """Print the output of a run as it comes, until it ended or is stuck; Ctrl-C asks it to stop."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    offset = 0
    is_open = True
    line = StatusLine()
    while is_open:
        try:
            for chunk in supervisor.follow(run.id, offset):
                offset = chunk.next_offset
                if not is_quiet:
                    line.write(decoder.decode(chunk.data))
                    line.show(bars(supervisor.progress(run.id)))
                if not chunk.data and run.state not in OPEN_STATES:
                    break  # stuck: its output stays open
            is_open = False
        except KeyboardInterrupt:
            with suppress(ConflictError):  # it has ended, or was asked before
                supervisor.cancel(run.id, actor="cli")
    line.close()
    return run.wait()


def _print_result(supervisor: Supervisor, record: RunRecord) -> None:
    def whole() -> RunResult:
        result = supervisor.result(record.id)
        assert result is not None  # noqa: S101 - it is asked for only if there is one
        return result

    print_result(record.result, whole, "it can be seen on the pages of a server")


def _keep_artifacts(supervisor: Supervisor, record: RunRecord, folder: str | None) -> None:
    """What the run left goes into a folder, or with the supervisor, which is said."""
    names = [each.name for each in supervisor.artifacts.find(record.id)]
    if folder is not None:
        copy_artifacts(((name, supervisor.artifacts.open(record.id, name)) for name in names), Path(folder))
    elif names:
        print(f"{len(names)} files are dropped, keep them with --artifacts FOLDER: {', '.join(names)}", file=sys.stderr)


def _outcome(record: RunRecord, result: RunResult | None, output: str) -> dict[str, Any]:
    failure = record.failure
    return {
        "state": record.state.value,
        "result": plain_result(result),
        "error": (failure.traceback or failure.message) if failure else None,
        "output": output,
    }


def start_there(words: Sequence[str]) -> int:
    """Start a run on a server; the exit status, which tells of the run only when it was waited for."""
    call = _read(words, flags={"--json"}, values={"--url", "--token", "--wait", "--at", "--version"})
    client = Client(call.one("--url"), call.one("--token"))
    path = f"/scripts/{quote(call.name)}"
    script = client.get(path)
    if call.wants_help:
        offers = client.get(f"{path}/choices")["choices"]
        return _show_usage(call.name, script["description"], script["parameters"], offers)
    arguments = read_arguments(call.name, call.options, script["parameters"])
    wait = call.one("--wait")
    body = {"arguments": arguments, "at": call.one("--at"), "version": call.one("--version", "")}
    run = client.post(f"{path}/runs", body, wait=wait or "0")
    if call.as_json:
        print_json(run)
    else:
        print(f"{run['id']} {run['state']}")
        print_result_of(client, run)
        if run["error"]:
            print(run["error"]["traceback"] or run["error"]["message"], file=sys.stderr)
    return 1 if run["error"] and wait else 0


def _read(words: Sequence[str], *, flags: set[str], values: set[str]) -> _Call:
    ours: dict[str, list[str]] = {}
    rest = list(words)
    while rest and rest[0].startswith("--"):
        option, given, value = rest.pop(0).partition("=")
        if option in flags:
            ours[option] = []
        elif option in values:
            if not given and not rest:
                raise ConfigurationError(f"expected a value after {option}, got nothing")
            ours.setdefault(option, []).append(value if given else rest.pop(0))
        else:
            known = ", ".join(sorted(flags | values))
            raise ConfigurationError(f"expected one of {known} before the script's name, got: {option!r}")
    if not rest:
        raise ConfigurationError("expected the name of a script, got nothing")
    # --json may also stand last, where people add it.
    options = rest[1:]
    if options and options[-1] == "--json":
        ours["--json"] = []
        options.pop()
    return _Call(ours, rest[0].removesuffix(".py"), tuple(options))


def _show_usage(name: str, description: str, schema: Mapping[str, Any], offers: Mapping[str, Any]) -> int:
    print(f"{name}: {description}" if description else name)
    for option, about in usage(schema, offers):
        print(f"  {option:<28} {about}")
    return 0
