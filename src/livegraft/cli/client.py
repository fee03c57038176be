"""A client of a running server's API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from livegraft.cli.failing import RefusedError
from livegraft.errors import ConfigurationError

DEFAULT_URL = "http://127.0.0.1:8787"
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 600.0
"""A sync or a run that is waited for may take its time."""

_SCRIPTS_AT_ONCE = 1000

_ADVICE: Final = {"unauthorized": ": give it with --token or LIVEGRAFT_TOKEN; it stands in the server's data folder"}
"""What a person at a terminal can do about an error, by its code: the server speaks to programs."""


class Client:
    """Speaks to one server.

    Raises ConfigurationError for an address or a token that cannot be one, RefusedError, ``unreachable`` when
    no server answers.
    """

    def __init__(self, url: str | None, token: str | None) -> None:
        self.url = (url or os.environ.get("LIVEGRAFT_URL") or DEFAULT_URL).rstrip("/")
        token = token or os.environ.get("LIVEGRAFT_TOKEN") or _token_nearby()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        try:
            self._http = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=limits)
        except httpx.InvalidURL as error:
            raise self._no_address() from error
        except UnicodeEncodeError as error:
            raise ConfigurationError("expected a token of ASCII characters") from error
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            raise self._no_address()

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def scripts(self) -> list[dict[str, Any]]:
        """All scripts, read page by page."""
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            page = self.get("/scripts", after=after, limit=_SCRIPTS_AT_ONCE)
            found += page["scripts"]
            after = page["next"]
        return found

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        return self._call("POST", path, json=body, params=query)

    def text(self, path: str) -> str:
        return self._send("GET", path).text

    def content(self, path: str) -> bytes:
        return self._send("GET", path).content

    def follow(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events up to ``end``: their names and data. A stream that breaks is taken up where it broke."""
        last_id, name = "", ""
        while name != "end":
            has_brought = False
            for id, name, data in self._stream(path, last_id):
                last_id, has_brought = id, True
                yield name, data
            if not has_brought:
                raise self._unreachable("a stream that ended early")

    def _stream(self, path: str, last_id: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The events of one connection, as (id, name, data), until it ends or breaks."""
        headers = {"Last-Event-ID": last_id}
        fields: dict[str, str] = {}
        try:
            with self._http.stream("GET", path, params={"follow": "1"}, headers=headers) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                for line in answer.iter_lines():
                    kind, _, value = line.partition(": ")
                    fields[kind] = value
                    if kind == "data":
                        yield fields.get("id", ""), fields.get("event", ""), json.loads(value)
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.TransportError:
            return

    def _call(self, method: str, path: str, **parts: Any) -> Any:
        answer = self._send(method, path, **parts)
        try:
            return answer.json()
        except ValueError as error:
            raise self._stranger(answer) from error

    def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **parts)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise _refused(answer)
        if not answer.is_success:
            raise self._stranger(answer)
        return answer

    def _no_address(self) -> ConfigurationError:
        return ConfigurationError(f"expected the address of a server, as {DEFAULT_URL}, got: {self.url!r}")

    def _stranger(self, answer: httpx.Response) -> RefusedError:
        return RefusedError("unreachable", f"expected a livegraft server at {self.url}, something else answers there")

    def _unreachable(self, error: object) -> RefusedError:
        return RefusedError(
            "unreachable", f"expected a livegraft server at {self.url}, got: {error}; start it, or check its address"
        )


def _refused(answer: httpx.Response) -> RefusedError:
    try:
        code, message = (answer.json()["error"][name] for name in ("code", "message"))
        return RefusedError(code, message + _ADVICE.get(code, ""))
    except (ValueError, KeyError, TypeError):
        reason = f"expected a livegraft server at {answer.url}, it answered {answer.status_code} in words of its own"
        return RefusedError("error", f"{reason}; the address of one that is mounted ends with the path of the mount")


def _token_nearby() -> str | None:
    """The token of a server that was started in this folder."""
    try:
        return Path("livegraft-data/token").read_text(encoding="ascii").strip()
    except OSError:
        return None
