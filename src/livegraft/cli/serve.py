"""``livegraft serve``: one process, one folder, one port."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from livegraft.access import Access
from livegraft.cli.listening import listen, url_of
from livegraft.cli.occupied import alone_in
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
    stop_seconds: float,
    share: bool,
) -> None:
    """Serve until SIGTERM or SIGINT; runs under way may end then, for ``stop_seconds``, or until a second signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "uvicorn", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stopping = _Stopping(stop_seconds)
    with given_socket() as given, ExitStack() as opened, stopping.by_signals():
        serves_at = opened.enter_context(alone_in(data, share=share))
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
        opened.callback(stopping.stop, supervisor)
        supervisor.__enter__()
        server = stopping.server = _Server(_config(supervisor.web))
        access = Access.of(supervisor)
        url = url_of(address)
        supervisor.serves_at(url)
        serves_at(url)
        address.listen()  # who reads the line below may connect at once
        link = f"{url}/login?token={access.new_login_token()}"
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


class _Server(uvicorn.Server):
    """Knows since when it has been asked to end."""

    asked_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.asked_at = self.asked_at or time.monotonic()
        super().handle_exit(sig, frame)


class _Stopping:
    """What signals do: the first ends the start, or the server and then the runs; the second has it not wait for them.

    uvicorn listens for them itself while it serves, and raises those that came once more when it has ended.
    """

    def __init__(self, seconds: float) -> None:
        self.server: _Server | None = None
        self._supervisor: Supervisor | None = None
        self._seconds = seconds
        self._signal_count = 0

    def stop(self, supervisor: Supervisor) -> None:
        """Stop it, with what is left of the time since the first signal."""
        asked_at = self.server.asked_at if self.server is not None else None
        took = time.monotonic() - asked_at if asked_at is not None else 0.0
        self._supervisor = supervisor
        if self._signal_count > 1:
            supervisor.hurry()
        supervisor.stop(max(0.0, self._seconds - took))

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        # They stay: one that comes while the interpreter ends must not look like a death.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        yield

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._signal_count += 1
        if self._supervisor is not None:
            if self._signal_count > 1:
                self._supervisor.hurry()
        elif self.server is not None:
            self.server.should_exit = True
        else:
            raise SystemExit(128 + number)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS, lifespan="off"
    )
