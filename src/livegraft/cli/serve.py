"""``livegraft serve``: one process, one folder, one port."""

from __future__ import annotations

import json
import logging
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from livegraft.access import Access
from livegraft.cli.resources import resources
from livegraft.errors import ConfigurationError
from livegraft.supervisor import Supervisor

_LAST_REQUESTS_SECONDS = 2
_LAST_PORT = 65535


def serve(
    repository: str,
    *,
    branch: str,
    data: Path,
    listen: str,
    poll: float,
    accept_rewritten: bool,
    probe: bool,
    release: str,
    drain_seconds: float,
    drain_policy: str,
    breaker_failures: int,
    provide: Sequence[str],
    as_json: bool,
) -> None:
    """Serve until SIGTERM or SIGINT; runs under way may end then, for 30 s."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "uvicorn", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    address = _listen(listen)
    local = Path(repository).expanduser()
    supervisor = Supervisor(
        str(local.absolute()) if local.exists() else repository,
        branch=branch,
        data=data,
        provide=resources(provide),
        poll_seconds=poll,
        accept_rewritten=accept_rewritten,
        probe=probe,
        release=release,
        drain_seconds=drain_seconds,
        drain_policy=drain_policy,
        breaker_failures=breaker_failures,
    )
    with address, supervisor:
        server = uvicorn.Server(_config(supervisor.web))
        access = Access.of(supervisor)
        url = _url(address)
        address.listen()  # who reads the line below may connect at once
        link = f"{url}/login?token={access.new_login_token()}"
        with _signals_end(server):
            if as_json:
                print(json.dumps({"url": url, "link": link, "token_file": str(supervisor.data / "token")}), flush=True)
            else:
                print(f"livegraft follows {supervisor.address} ({branch}) at {url}", flush=True)
                print(f"open {link}", flush=True)
            server.run(sockets=[address])


@contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """A signal that comes before uvicorn listens for them ends it too.

    uvicorn raises the signal that ended it once more: then these handlers do nothing new, and stopping goes on.
    After that a second signal ends the process at once.
    """

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS, lifespan="off"
    )


def _url(address: socket.socket) -> str:
    host, port = address.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(text: str) -> socket.socket:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ConfigurationError(f"expected --listen HOST:PORT, got: {text!r}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.socket(family, socket.SOCK_STREAM)
    address.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        address.bind((host.strip("[]"), int(port)))
    except OSError as error:
        address.close()
        raise ConfigurationError(f"expected {text!r} to be free to listen on, got: {error.strerror}") from error
    return address
