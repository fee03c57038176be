"""Every command of ``livegraft``."""

from __future__ import annotations

import atexit
import gc
import json
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, ParamSpec, TypeVar
from urllib.parse import quote

import typer

from livegraft.cli.printing import print_json, print_table
from livegraft.errors import ConfigurationError, LivegraftError

# Libraries that only one command needs are imported in it: `livegraft --help` and completion stay fast.

P = ParamSpec("P")
T = TypeVar("T")

app = typer.Typer(
    name="livegraft",
    help="Commit a Python script to Git, and it is live inside the running process a second later.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Url = Annotated[
    str | None, typer.Option(metavar="URL", help="The server. Default: LIVEGRAFT_URL, else http://127.0.0.1:8787.")
]
Token = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Its token. Default: LIVEGRAFT_TOKEN, else ./livegraft-data/token."),
]
Name = Annotated[str, typer.Argument(help="The script's name: its path without .py.")]
NameAndOptions = Annotated[
    str, typer.Argument(metavar="NAME [--PARAMETER VALUE ...]", help="The script's name: its path without .py.")
]
Provide = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=MODULE:ATTRIBUTE", help="A resource for scripts, by name. Repeat it for several."),
]
Data = Annotated[Path, typer.Option(help="The data folder of the server.")]
Reason = Annotated[str, typer.Option(help="Why: shown to everybody.")]
Revision = Annotated[str, typer.Argument(help="The release's revision, or its first digits.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
OfScript = Annotated[str | None, typer.Option("--script", help="Of a script, or of a folder with / at its end.")]
InState = Annotated[
    list[str] | None, typer.Option("--state", help="In this state, or `open`: not ended. Repeat it for one of several.")
]
ByTrigger = Annotated[str | None, typer.Option("--trigger", help="button, cron, api, cli, ...")]
ByActor = Annotated[str | None, typer.Option("--actor", help="Who asked.")]
OfVersion = Annotated[str | None, typer.Option("--version", help="The first digits of the version's key or revision.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Asked for then or later: 2026-03-01T07:00Z, or how long ago, as 2h.")
]
Until = Annotated[str | None, typer.Option("--until", help="Asked for before that, written likewise.")]
WithTag = Annotated[str | None, typer.Option("--tag", help="Of scripts that have this tag now.")]
WithText = Annotated[str | None, typer.Option("--text", help="In arguments, result or failure.")]
_FILTERS: Final = ("script", "state", "trigger", "actor", "version", "since", "until", "tag", "text")
_OPTIONS_OF_THE_SCRIPT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def main() -> None:
    """The entry point."""
    # What failed is told by the commands themselves; `serve` logs it too.
    logging.getLogger("livegraft").addHandler(logging.NullHandler())
    # At its end Python looks through all objects for cycles. That takes longer than all else that a stop takes.
    atexit.register(gc.freeze)
    app()


def command(**settings: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A command whose errors are one line and an exit status."""

    def register(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            from livegraft.cli.failing import fail

            try:
                return function(*args, **kwargs)
            except LivegraftError as error:
                fail(error)

        app.command(**settings)(guarded)
        return guarded

    return register


@command()
def serve(
    repository: Annotated[str, typer.Argument(help="A local path, an https or an ssh address.")],
    branch: Annotated[str, typer.Option(help="The branch to follow.")] = "main",
    data: Annotated[Path, typer.Option(help="Folder for the mirror, the history and the token.")] = Path(
        "livegraft-data"
    ),
    store: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="postgresql://USER@HOST/DATABASE for the history, in place of a SQLite file in the data folder. "
            "A password is better given in LIVEGRAFT_STORE.",
        ),
    ] = "",
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:8787",
    poll: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the repository.")] = 5.0,
    accept_rewritten: Annotated[
        bool, typer.Option("--accept-rewritten", help="Follow a branch whose history was rewritten, without asking.")
    ] = False,
    probe: Annotated[bool, typer.Option(help="Import new versions in a child process first.")] = True,
    release: Annotated[
        str,
        typer.Option(
            metavar="each|whole",
            help="When a script of a commit fails: each other one goes live, or the whole commit waits.",
        ),
    ] = "each",
    drain_seconds: Annotated[float, typer.Option(min=0, help="How long a superseded version may take to end.")] = 300.0,
    drain_policy: Annotated[
        str,
        typer.Option(
            metavar="wait|cancel|scrub",
            help="Then: wait on; cancel its runs; or also take its globals from it, so that its memory returns.",
        ),
    ] = "wait",
    breaker_failures: Annotated[
        int, typer.Option(min=0, help="After how many failed runs in a row a script is quarantined; 0: never.")
    ] = 5,
    settle_seconds: Annotated[
        float,
        typer.Option(
            min=0, help="A server that dies so soon after a new release starts with the one before; 0: never."
        ),
    ] = 60.0,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="The most that headers may allow isolated runs: memory=2GiB, cpu=10m, open-files=100, processes=20.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="How much of the history is kept: age=90d, runs=10000 and size=1GiB of each script, releases=1000, "
            "audit=730d.",
        ),
    ] = None,
    safe: Annotated[bool, typer.Option("--safe", help="Start in safe mode: no code of scripts is loaded.")] = False,
    supervised: Annotated[
        bool, typer.Option("--supervised", help="Serve in a child process, and start another one when it dies.")
    ] = False,
    environments: Annotated[
        bool, typer.Option(help="Make environments for scripts that need packages which the server does not have.")
    ] = True,
    package_index: Annotated[
        str,
        typer.Option(help="Where their packages come from: an address, or a folder of wheels. Default: as uv is set."),
    ] = "",
    wheels_only: Annotated[bool, typer.Option(help="Build no package: that executes its code.")] = True,
    hashes: Annotated[bool, typer.Option(help="Install only what has the hashes that were locked.")] = True,
    missed_window_seconds: Annotated[
        float, typer.Option(min=0, help="How old a missed due time may be that is caught up.")
    ] = 7 * 86_400.0,
    missed_limit: Annotated[
        int, typer.Option(min=0, help='How many of one schedule `missed = "all"` catches up.')
    ] = 100,
    overlap_limit: Annotated[
        int, typer.Option(min=0, help='How many due times of a script wait under `overlap = "queue"`.')
    ] = 10,
    stop_seconds: Annotated[
        float, typer.Option(min=0, help="How long runs may go on after SIGTERM or SIGINT; a second one ends the wait.")
    ] = 30.0,
    share: Annotated[
        bool, typer.Option("--share", help="Serve beside another server over the same data folder.")
    ] = False,
    provide: Provide = None,
    as_json: Json = False,
) -> None:
    """Run the scripts of a repository in a server of their own."""
    if supervised:
        from livegraft.cli.supervised import is_parent, supervise

        if is_parent():
            raise typer.Exit(supervise(listen))
    from livegraft.cli.serve import serve as serve_repository

    serve_repository(
        repository,
        branch=branch,
        data=data,
        store=store,
        listen_on=listen,
        poll=poll,
        accept_rewritten=accept_rewritten,
        probe=probe,
        release=release,
        drain_seconds=drain_seconds,
        drain_policy=drain_policy,
        breaker_failures=breaker_failures,
        settle_seconds=settle_seconds,
        limits=limit or [],
        keep=keep or [],
        safe=safe,
        environments=environments,
        package_index=package_index,
        wheels_only=wheels_only,
        hashes=hashes,
        missed_window_seconds=missed_window_seconds,
        missed_limit=missed_limit,
        overlap_limit=overlap_limit,
        provide=provide or [],
        as_json=as_json,
        stop_seconds=stop_seconds,
        share=share,
    )


@command()
def check(
    path: Annotated[Path, typer.Argument(help="The work tree.")] = Path(),
    provide: Provide = None,
    against: Annotated[
        str | None, typer.Option(metavar="URL", help="Compare with a server: what would be added, changed, broken.")
    ] = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Check a work tree as its next commit would be. It lists every fault, and ends with status 1 if there is one."""
    from livegraft.cli.check import check as check_here

    raise typer.Exit(check_here(path.resolve(), provide or [], against=against, token=token, as_json=as_json))


@command()
def stubs(
    path: Annotated[Path, typer.Argument(help="The work tree.")] = Path(),
    out: Annotated[Path, typer.Option(help="The folder for the package of stubs.")] = Path("typings"),
    as_json: Json = False,
) -> None:
    """Write type stubs of a work tree. A host's editor and type checker then know `supervisor.live`."""
    from livegraft.stubs import write_stubs

    written = write_stubs(path.resolve(), out)
    if as_json:
        print_json({"folder": str(written.folder), "modules": written.modules, "unread": written.unread})
        return
    for unread in written.unread:
        print(f"{unread}: cannot be parsed; its names are Any")
    print(f"{len(written.modules)} modules in {written.folder}")


@command(context_settings=_OPTIONS_OF_THE_SCRIPT)
def run(context: typer.Context, name: NameAndOptions = "") -> None:
    """Run a script of the work tree here, without a server.

    Before the name: --json, --path PATH (default: here), --provide NAME=MODULE:ATTRIBUTE, --artifacts FOLDER for the
    files that it leaves. After it the script's own parameters, and --help to see them.
    """
    from livegraft.cli.run import run_here

    raise typer.Exit(run_here(_words(context, name)))


@command(name="list")
def list_scripts(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """List the scripts of a server."""
    scripts = _client(url, token).scripts()
    if as_json:
        print_json({"scripts": scripts})
        return
    rows = [(each["name"], each["words"], _short(each["version"]), _next(each), _first_line(each)) for each in scripts]
    print_table(("script", "state", "version", "next", ""), rows)


@command()
def sync(
    accept_rewritten: Annotated[
        bool, typer.Option("--accept-rewritten", help="Take a branch whose history was rewritten.")
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Have a server look at its repository now. It ends when the newest commit is live, or with status 1: refused."""
    answer = _client(url, token).post("/sync", {"accept_rewritten": accept_rewritten})
    if as_json:
        print_json(answer)
    else:
        print(f"{answer['revision'][:8]} {answer['state']} {answer['error']}".rstrip())
        for each in answer["scripts"]:
            if each["outcome"] != "unchanged":
                print(f"  {each['outcome']:<9} {each['script']} {_problem(each['error'])}".rstrip())
    raise typer.Exit(1 if answer["state"] == "refused" else 0)


@command()
def releases(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """List the commits that a server took, newest first."""
    answer = _client(url, token).get("/releases")
    if as_json:
        print_json(answer)
        return
    rows = [
        (each["revision"][:8], each["state"], each["author"], each["subject"], _changes(each))
        for each in answer["releases"]
    ]
    print_table(("revision", "state", "author", "subject", "scripts"), rows)


@command(context_settings=_OPTIONS_OF_THE_SCRIPT)
def start(context: typer.Context, name: NameAndOptions = "") -> None:
    """Start a run on a server.

    Before the name: --url, --token, --json, --wait SECONDS, --at INSTANT (2026-03-01T07:00Z), --version KEY of an
    earlier version. After it the script's own parameters, and --help to see them.
    """
    from livegraft.cli.run import start_there

    raise typer.Exit(start_there(_words(context, name)))


@command()
def logs(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    times: Annotated[
        bool, typer.Option("--times", help="Begin each line with its time (UTC) and level; goes on until the run ends.")
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Print the output of a run."""
    client = _client(url, token)
    path = f"/runs/{quote(run)}"
    if as_json:
        print_json({**client.get(path), "output": client.text(f"{path}/output")})
        return
    if not (follow or times):
        print(client.text(f"{path}/output"), end="")
        return
    from livegraft.cli.status_line import StatusLine
    from livegraft.cli.timed import TimedLines

    line, timed = StatusLine(), TimedLines()
    for name, data in client.follow(f"{path}/output"):
        if name == "output":
            line.write(timed.write(data["text"], data["marks"]) if times else data["text"])
        elif name == "progress":
            line.show(data["bars"])
    line.close()


@command()
def result(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    out: Annotated[Path | None, typer.Option(help="Write it into this file, as what it is.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="A table as CSV.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Print what a run returned. Tables are printed as text; pictures and HTML go into a file."""
    from livegraft.cli.results import show_result

    show_result(_client(url, token), run, out=out, csv=csv, as_json=as_json)


@command()
def artifacts(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    out: Annotated[Path | None, typer.Option(help="Download them into this folder.")] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """List the files that a run left, or download them."""
    from livegraft.cli.results import get_artifacts

    get_artifacts(_client(url, token), run, out=out, as_json=as_json)


@command()
def runs(
    context: typer.Context,
    script: OfScript = None,
    state: InState = None,
    trigger: ByTrigger = None,
    actor: ByActor = None,
    version: OfVersion = None,
    since: Since = None,
    until: Until = None,
    tag: WithTag = None,
    text: WithText = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first. Only those that match all filters that are given."""
    from livegraft.cli.many import list_runs, read_filters

    filters = read_filters(_filters(context))
    list_runs(_client(url, token), filters, limit=limit, as_json=as_json)


@command()
def cancel(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id; without one, filters choose the runs.")] = "",
    script: OfScript = None,
    state: InState = None,
    trigger: ByTrigger = None,
    actor: ByActor = None,
    version: OfVersion = None,
    since: Since = None,
    until: Until = None,
    tag: WithTag = None,
    text: WithText = None,
    yes: Yes = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Ask a run to stop, or all runs that match filters. Of filters it tells how many match first, and asks."""
    filters = _chosen(run, context)
    if filters:
        _do_with_all("cancel", filters, url, token, yes=yes, as_json=as_json)
    answer = _client(url, token).post(f"/runs/{quote(run)}/cancel")
    print_json(answer) if as_json else print(f"{answer['id']} {answer['state']}")


@command()
def rerun(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id; without one, filters choose the runs.")] = "",
    original: Annotated[
        bool, typer.Option("--original", help="On the version of that run, not on the live one.")
    ] = False,
    script: OfScript = None,
    state: InState = None,
    trigger: ByTrigger = None,
    actor: ByActor = None,
    version: OfVersion = None,
    since: Since = None,
    until: Until = None,
    tag: WithTag = None,
    text: WithText = None,
    yes: Yes = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Repeat a run, or all runs that match filters. Each has the arguments of the one that it repeats."""
    filters = _chosen(run, context)
    if filters and original:
        raise ConfigurationError("expected --original with the id of one run: many are repeated on the live versions")
    if filters:
        _do_with_all("rerun", filters, url, token, yes=yes, as_json=as_json)
    answer = _client(url, token).post(f"/runs/{quote(run)}/rerun", {"original": original})
    print_json(answer) if as_json else print(f"{answer['id']} {answer['state']}")


@command()
def quarantine(name: Name, reason: Reason, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Take a script out of service."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/quarantine", {"reason": reason})


@command()
def release(name: Name, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Put a quarantined script back into service."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/release")


@command()
def retry(name: Name, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Load the failed version of a script again. For a fault that went by, as a database that was away."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/retry")


@command()
def pause(name: Name, reason: Reason = "", url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Have the schedules of a script skip their due times. It can be run otherwise."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/pause", {"reason": reason})


@command()
def unpause(name: Name, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Have the schedules of a script run again."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/unpause")


@command()
def slots(
    name: Annotated[str | None, typer.Argument(help="A script's name. Default: of all.")] = None,
    state: Annotated[str | None, typer.Option(help="ran, skipped or missed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """List due times of schedules and what became of them. The newest first."""
    answer = _client(url, token).get("/slots", script=name, state=state, limit=limit)
    if as_json:
        print_json(answer)
        return
    rows = [
        (_moment(each["slot_at"]), each["script"], each["state"], _late(each), each["run"] or "", each["reason"])
        for each in answer["slots"]
    ]
    print_table(("due (UTC)", "script", "state", "late", "run", "why"), rows)


@command()
def replicas(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """List the processes that share the history of a server."""
    answer = _client(url, token).get("/replicas")
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            f"{each['pid']}{' (asked)' if each['is_here'] else ''}",
            each["host"],
            each["address"] or "",
            (each["revision"] or "")[:8],
            _moment(each["started_at"]),
            _moment(each["beat_at"]),
        )
        for each in answer["replicas"]
    ]
    print_table(("process", "machine", "pages", "live commit", "since (UTC)", "heard of (UTC)"), rows)


@command()
def backfill(
    name: Name,
    first: Annotated[str, typer.Option("--from", help="The first due time, with its zone: 2026-03-01T00:00Z.")],
    last: Annotated[str, typer.Option("--to", help="The last one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which would run.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Run the due times of a range that have no run. The oldest first, at most 1,000."""
    body = {"first": first, "last": last, "dry_run": dry_run}
    answer = _client(url, token).post(f"/scripts/{quote(name)}/backfill", body)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("due (UTC)", "schedule", "so far"),
        [(_moment(each["slot_at"]), each["schedule"], each["state"] or "no row") for each in answer["slots"]],
    )
    count = len(answer["slots"]) if dry_run else len(answer["runs"])
    print(f"{count} due times {'would run' if dry_run else 'run'}")


@command()
def pin(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version's key, or its first digits.")],
    reason: Reason = "",
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Keep a script at an earlier version. That becomes live, whatever is committed."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/pin", {"key": version, "reason": reason})


@command()
def unpin(name: Name, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Let a pinned script follow the repository again."""
    _decide(url, token, as_json, f"/scripts/{quote(name)}/unpin")


@command()
def scrub(
    name: Annotated[str, typer.Argument(help="The module's name: its path without .py.")],
    version: Annotated[str, typer.Argument(help="The version's key, or its first digits.")],
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Take its globals from a superseded version. Its memory returns, whoever holds it; what uses them is told so."""
    _decide(url, token, as_json, f"/versions/{quote(name)}/scrub", {"key": version})


@command()
def hold(reason: Reason = "", url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Keep the present release live, whatever is committed."""
    _decide(url, token, as_json, "/hold", {"reason": reason})


@command(name="let-go")
def let_go(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Have a held server follow its repository again."""
    _decide(url, token, as_json, "/let-go")


@command(name="roll-back")
def roll_back(
    revision: Revision,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")] = False,
    yes: Yes = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Pin the scripts of a release to the versions before it. It tells which first, and asks."""
    from livegraft.cli.decisions import roll_back_there

    roll_back_there(_client(url, token), revision, reason=reason, dry_run=dry_run, yes=yes, as_json=as_json)


@command(name="undo-roll-back")
def undo_roll_back(revision: Revision, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Unpin the scripts that a roll back pinned. They follow the repository again."""
    answer = _client(url, token).post(f"/releases/{quote(revision)}/undo-roll-back")
    print_json(answer) if as_json else print(_follow(len(answer["unpinned"])))


@command()
def resume(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Have a server leave safe mode. It takes the commit again too that it refuses after a crash."""
    _decide(url, token, as_json, "/resume")


@command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.")],
    data: Data = Path("livegraft-data"),
    store: Annotated[str, typer.Option(help="The history's address, if it is no file. Default: LIVEGRAFT_STORE.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Copy the history to a file, while the server runs. The copy is checked before it gets its name."""
    from livegraft.cli.backup import back_up

    back_up(data, file, store=store, overwrite=overwrite, as_json=as_json)


@command()
def doctor(
    repository: Annotated[str, typer.Argument(help="The repository, to see whether it answers.")] = "",
    data: Data = Path("livegraft-data"),
    store: Annotated[str, typer.Option(help="The history's address, if it is no file. Default: LIVEGRAFT_STORE.")] = "",
    as_json: Json = False,
) -> None:
    """Look for faults of history, mirror, clock, disk and tools. It says what to do; status 1 if there is a fault."""
    from livegraft.cli.doctor import examine

    raise typer.Exit(examine(data, repository, store, as_json=as_json))


@command()
def support(
    file: Annotated[Path, typer.Argument(help="The zip file to write; it must not exist.")],
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Write the support bundle of a server to a file. It has states, findings and stacks, without secrets."""
    content = _client(url, token).content("/support")
    try:
        with file.open("xb") as target:
            target.write(content)
    except OSError as error:
        raise ConfigurationError(f"expected to write a new file {file}, got: {error.strerror}") from error
    print_json({"file": str(file), "bytes": len(content)}) if as_json else print(f"{file}: {len(content)} bytes")


@command()
def link(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Get a link to the pages of a server. It works once, for a quarter of an hour."""
    client = _client(url, token)
    address = f"{client.url}/login?token={client.post('/links')['login_token']}"
    print_json({"link": address}) if as_json else print(address)


@command()
def versions(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """List the versions in a server's process. It tells what holds those that should be gone."""
    answer = _client(url, token).get("/versions")
    if as_json:
        print_json(answer)
        return
    rows = [
        (each["name"], each["key"][:8], each["state"], "; ".join(each["holders"]), each["error"])
        for each in answer["versions"]
    ]
    print_table(("module", "version", "state", "held by", "error"), rows)


@command()
def shared(
    name: Annotated[str, typer.Argument(help="The name whose values are shown. Default: list the names.")] = "",
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """List the shared data of a server, or the values of a name."""
    client = _client(url, token)
    answer = _all_shared(client, name) if name else client.get("/shared")
    if as_json:
        print_json(answer)
    elif name:
        rows = [(each["key"], json.dumps(each["value"]), _moment(each["expires_at"])) for each in answer["values"]]
        print_table(("key", "value", "expires"), rows)
    else:
        names = [
            (each["name"], str(each["keys"]), str(each["bytes"]), _moment(each["changed_at"]))
            for each in answer["shared"]
        ]
        print_table(("name", "keys", "bytes", "changed"), names)


def _all_shared(client: Any, name: str) -> dict[str, Any]:
    """What is kept under a name, from all pages of the answer."""
    path = f"/shared/{quote(name)}"
    answer: dict[str, Any] = client.get(path, limit=500)
    while after := answer.pop("next"):
        page = client.get(path, limit=500, after=after)
        answer = {**page, "values": answer["values"] + page["values"]}
    return answer


def _words(context: typer.Context, name: str) -> list[str]:
    """What stands behind a command whose options are a script's; without a script, --help is about the command."""
    words = [name, *context.args] if name else list(context.args)
    if words == ["--help"]:
        print(context.get_help())
        raise typer.Exit
    return words


def _client(url: str | None, token: str | None) -> Any:
    from livegraft.cli.client import Client

    return Client(url, token)


def _filters(context: typer.Context) -> dict[str, Any]:
    """What was given of the options that choose runs, by name: the parameters of a command that only declare them."""
    return {name: context.params[name] for name in _FILTERS}


def _chosen(run: str, context: typer.Context) -> dict[str, Any]:
    """The filters that choose runs, or none when there is the id of one. Raises ConfigurationError."""
    from livegraft.cli.many import read_filters

    filters = read_filters(_filters(context))
    if bool(run) == bool(filters):
        raise ConfigurationError("expected either the id of a run or filters, as --state failed --since 2h")
    return filters


def _do_with_all(
    action: str, filters: dict[str, Any], url: str | None, token: str | None, *, yes: bool, as_json: bool
) -> NoReturn:
    from livegraft.cli.many import do_with_all

    raise typer.Exit(do_with_all(_client(url, token), action, filters, yes=yes, as_json=as_json))


def _decide(url: str | None, token: str | None, as_json: bool, path: str, body: dict[str, str] | None = None) -> None:
    answer = _client(url, token).post(path, body)
    print_json(answer) if as_json else print("done")


def _follow(count: int) -> str:
    return f"{count} {'script follows' if count == 1 else 'scripts follow'} the repository again"


def _short(version: dict[str, str] | None) -> str:
    return version["key"][:8] if version else "-"


def _next(script: dict[str, Any]) -> str:
    times = [each["next_at"] for each in script["schedule"] if each["next_at"]]
    return _moment(min(times, default=None))


def _late(slot: dict[str, Any]) -> str:
    seconds = int(slot["lateness_seconds"])
    return f"{seconds} s" if seconds else ""


def _moment(at: str | None) -> str:
    return at.partition(".")[0].removesuffix("Z") if at else ""


def _first_line(script: dict[str, Any]) -> str:
    return f"newer version failed: {_problem(script['error'])}" if script["error"] else str(script["description"])


def _problem(error: dict[str, Any] | None) -> str:
    return f"{error['path']}:{error['line']}: {error['message']}" if error else ""


def _changes(release: dict[str, Any]) -> str:
    from livegraft.store import COUNTED

    counts = release["counts"].items()
    return ", ".join(f"{count}{'+' if count == COUNTED else ''} {outcome}" for outcome, count in counts)
