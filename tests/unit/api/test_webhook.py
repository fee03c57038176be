"""A Git host that tells of a push: it is believed that something happened, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import eventually
from tests.support.api import Api, an_api

PUSH = b'{"ref": "refs/heads/main"}'


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("site")
    with an_api(folder, {"a.py": "def run(): return 1\n"}) as api:
        yield api


def tell(api: Api, body: bytes = PUSH, **headers: str) -> int:
    answer = httpx.post(
        f"{api.origin}/webhook", content=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    assert answer.content == b""
    return answer.status_code


def signed(secret: str, body: bytes = PUSH) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("host", ["GitHub", "GitLab"])
def test_what_is_signed_or_carries_the_secret_has_the_repository_looked_at(api: Api, host: str) -> None:
    secret, supervisor = api.access.webhook_secret, api.host.supervisor
    revision = api.host.repository.commit_files({"a.py": f"def run(): return {host!r}\n"})
    header = {"X_Hub_Signature_256": signed(secret)} if host == "GitHub" else {"X_Gitlab_Token": secret}

    assert tell(api, PUSH, **header) == 202

    eventually(lambda: supervisor.sync_status.revision == revision)


def test_everything_else_is_refused_without_a_look(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(api.host.supervisor, "poke", lambda: looks.append("look"))
    secret = api.access.webhook_secret

    assert tell(api) == 401
    assert tell(api, X_Gitlab_Token=secret[:-1]) == 401
    assert tell(api, X_Gitlab_Token=api.access.token) == 401
    assert tell(api, X_Hub_Signature_256=signed(secret)[:-1]) == 401
    assert tell(api, PUSH + b" ", X_Hub_Signature_256=signed(secret)) == 401
    assert tell(api, X_Hub_Signature_256=signed("")) == 401
    assert looks == []
