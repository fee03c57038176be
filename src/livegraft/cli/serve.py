"""``livegraft serve``: one process, one folder, one port."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from livegraft.access import Access
from livegraft.cli.listening import listen, url_of
from livegraft.cli.resources import resources
from livegraft.cli.supervised import given_socket
from livegraft.supervisor import Supervisor

_LAST_REQUESTS_SECONDS = 2


def serve(
    repository: str,
    *,
    branch: str,
    data: Path,
    store: str,
    listen_on: str,
    poll: float,
    accept_rewritten: bool,
    probe: bool,
    release: str,
    drain_seconds: float,
    drain_policy: str,
    breaker_failures: int,
    settle_seconds: float,
    limits: Sequence[str],
    keep: Sequence[str],
    safe: bool,
    environments: bool,
    package_index: str,
    wheels_only: bool,
    hashes: bool,
    missed_window_seconds: float,
    missed_limit: int,
    overlap_limit: int,
    provide: Sequence[str],
    as_json: bool,
) -> None:
    """Serve until SIGTERM or SIGINT; runs under way may end then, for 30 s."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "uvicorn", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with given_socket() as given, ExitStack() as opened, _signals_end_the_start():
        address = opened.enter_context(given or listen(listen_on))
        local = Path(repository).expanduser()
        supervisor = Supervisor(
            str(local.absolute()) if local.exists() else repository,
            branch=branch,
            data=data,
            store=store,
            provide=resources(provide),
            poll_seconds=poll,
            accept_rewritten=accept_rewritten,
            probe=probe,
            release=release,
            drain_seconds=drain_seconds,
            drain_policy=drain_policy,
            breaker_failures=breaker_failures,
            settle_seconds=settle_seconds,
            process_limits=dict(map(_limit, limits)),
            keep=dict(map(_limit, keep)),
            safe=safe,
            environments=environments,
            package_index=package_index,
            wheels_only=wheels_only,
            hashes=hashes,
            missed_window_seconds=missed_window_seconds,
            missed_limit=missed_limit,
            overlap_limit=overlap_limit,
        )
        opened.enter_context(supervisor)
        server = uvicorn.Server(_config(supervisor.web))
        access = Access.of(supervisor)
        url = url_of(address)
        address.listen()  # who reads the line below may connect at once
        link = f"{url}/login?token={access.new_login_token()}"
        with _signals_end(server):
            if as_json:
                print(json.dumps({"url": url, "link": link, "token_file": str(supervisor.data / "token")}), flush=True)
            else:
                print(f"livegraft follows {supervisor.address} ({branch}) at {url}", flush=True)
                print(f"open {link}", flush=True)
            server.run(sockets=[address])


def _limit(text: str) -> tuple[str, str | int]:
    """``memory=2GiB``, ``processes=20``: as in a header, where numbers have no quotes."""
    key, _, value = text.partition("=")
    return key.strip(), int(value) if value.strip().isdecimal() else value.strip()


@contextmanager
def _signals_end_the_start() -> Iterator[None]:
    """A signal that comes before there is a server ends the process in order: that is no crash.

    It is over before the supervisor stops: then a second signal ends the process at once.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled_by(end):
        yield


@contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """A signal that comes before uvicorn listens for them ends it too.

    uvicorn raises the signal that ended it once more: then these handlers do nothing new, and stopping goes on.
    After that a second signal ends the process at once.
    """

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    with _handled_by(end):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS, lifespan="off"
    )
