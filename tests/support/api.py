"""A host whose pages and API are served on a port, and a caller of the API."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from livegraft.access import Access
from tests.support.host import Host, a_host
from tests.support.waiting import eventually

PREFIX = "/api/v1"


class Api:
    """Calls the API of one host; with its token unless other headers are given."""

    def __init__(self, host: Host, origin: str, prefix: str = "") -> None:
        self.host = host
        self.origin = origin
        self.access = Access.of(host.supervisor)
        self.bearer = {"Authorization": f"Bearer {self.access.token}"}
        # Each call is one of its own: no cookie is kept.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self.client = httpx.Client(base_url=origin + prefix + PREFIX, timeout=30, limits=limits)

    def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **parts: Any) -> httpx.Response:
        return self.client.request(method, path, headers=self.bearer if headers is None else headers, **parts)

    def get(self, path: str, status: int = 200) -> Any:
        return self._json(self.send("GET", path), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._json(self.send("POST", path, json=body), status)

    def run(self, script: str, **arguments: Any) -> Any:
        """Run a script to its end."""
        return self.post(f"/scripts/{script}/runs?wait=20", {"arguments": arguments}, 201)

    def start(self, script: str, **arguments: Any) -> str:
        """Start a run and return its id."""
        id: str = self.post(f"/scripts/{script}/runs", {"arguments": arguments}, 201)["id"]
        return id

    def _json(self, answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, f"{answer.request.method} {answer.url}: {answer.text}"
        return answer.json()


@contextmanager
def an_api(folder: Path, files: Mapping[str, str], *, prefix: str = "", **settings: Any) -> Iterator[Api]:
    """The API of a host with these scripts, served until the block ends; below a prefix of the host's own app."""
    with a_host(folder, files=files, **settings) as host:
        web = host.supervisor.web
        app = Starlette(routes=[Mount(prefix, web)]) if prefix else web
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1, lifespan="off")
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            eventually(lambda: server.started, what="the server listens")
            origin = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            api = Api(host, origin, prefix)
            with api.client:
                yield api
        finally:
            server.should_exit = True
            thread.join()
