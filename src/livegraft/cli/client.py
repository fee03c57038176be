"""A client of a running server's API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from livegraft.cli.failing import RefusedError

DEFAULT_URL = "http://127.0.0.1:8787"
_NO_LIMIT_SECONDS = 600.0


class Client:
    """Speaks to one server. Raises RefusedError, ``unreachable`` when there is none."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self._url = (url or os.environ.get("LIVEGRAFT_URL") or DEFAULT_URL).rstrip("/")
        token = token or os.environ.get("LIVEGRAFT_TOKEN") or _token_nearby()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=f"{self._url}/api/v1", headers=headers, timeout=_NO_LIMIT_SECONDS)

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        return self._call("POST", path, json=body, params=query)

    def text(self, path: str) -> str:
        return self._send("GET", path).text

    def follow(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events: their names and data."""
        try:
            with self._http.stream("GET", path, params={"follow": "1"}) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                name = ""
                for line in answer.iter_lines():
                    kind, _, value = line.partition(": ")
                    if kind == "event":
                        name = value
                    elif kind == "data":
                        yield name, json.loads(value)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _call(self, method: str, path: str, **parts: Any) -> Any:
        return self._send(method, path, **parts).json()

    def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **parts)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if answer.is_error and not (path == "/health" and answer.status_code == 503):
            raise _refused(answer)
        return answer

    def _unreachable(self, error: Exception) -> RefusedError:
        return RefusedError(
            "unreachable", f"expected a livegraft server at {self._url}, got: {error}; start it or name it with --url"
        )


def _refused(answer: httpx.Response) -> RefusedError:
    try:
        error = answer.json()["error"]
        return RefusedError(error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return RefusedError("error", f"the server answered {answer.status_code}")


def _token_nearby() -> str | None:
    """The token of a server that was started in this folder."""
    try:
        return Path("livegraft-data/token").read_text(encoding="ascii").strip()
    except OSError:
        return None
