"""Who may use the pages and the API."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
from itsdangerous import TimestampSigner

from livegraft.access import BY_LINK, LINK_SECONDS, SESSION_SECONDS, Access, is_same_origin
from livegraft.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_token_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEGRAFT_TOKEN", raising=False)


def test_the_first_start_makes_a_token_that_only_its_owner_can_read(tmp_path: Path) -> None:
    access = Access(tmp_path)

    file = tmp_path / "token"
    assert file.read_text() == access.token
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(access.token) >= 32
    assert [each.name for each in tmp_path.iterdir()] == ["token"]


def test_a_later_start_uses_the_same_token(tmp_path: Path) -> None:
    assert Access(tmp_path).token == Access(tmp_path).token


def test_processes_that_start_together_agree_on_one_token(tmp_path: Path) -> None:
    tokens: set[str] = set()
    starts = [threading.Thread(target=lambda: tokens.add(Access(tmp_path).token)) for _ in range(8)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()

    assert len(tokens) == 1


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEGRAFT_TOKEN", " from-the-environment ")

    assert Access(tmp_path).token == "from-the-environment"
    assert not (tmp_path / "token").exists()


def test_a_given_token_goes_before_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEGRAFT_TOKEN", "from-the-environment")

    assert Access(tmp_path, "from-the-host-itself").token == "from-the-host-itself"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_token_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(ConfigurationError, match="token"):
        Access(tmp_path)


def test_a_short_token_is_warned_about_and_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Access(tmp_path, "tiny")

    assert "shorter than 16" in caplog.text
    assert "tiny" not in caplog.text


def test_a_bearer_of_the_token_is_let_in_and_nobody_else(tmp_path: Path) -> None:
    access = Access(tmp_path, "a-token-of-some-length")

    assert access.check_bearer("Bearer a-token-of-some-length")
    assert access.check_bearer("bearer  a-token-of-some-length")
    for header in (None, "", "Bearer", "Bearer ", "Basic a-token-of-some-length", "Bearer a-token", "Bearer ähm"):
        assert not access.check_bearer(header), header


def test_a_link_signs_in_once(tmp_path: Path) -> None:
    access = Access(tmp_path)
    link = access.new_login_token()

    session = access.redeem(link)

    assert access.actor(session) == BY_LINK
    assert access.redeem(link) is None
    assert access.redeem("made-up") is None


def test_a_link_is_void_after_a_quarter_of_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(tmp_path)
    link = access.new_login_token()
    after = time.monotonic() + LINK_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: after)

    assert access.redeem(link) is None


def test_a_session_outlives_a_restart(tmp_path: Path) -> None:
    access = Access(tmp_path)
    session = access.redeem(access.new_login_token())

    assert Access(tmp_path).actor(session) == BY_LINK


def test_a_session_ends_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(tmp_path)
    session = access.redeem(access.new_login_token())
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + SESSION_SECONDS - 2)
    assert access.actor(session) == BY_LINK
    monkeypatch.setattr(time, "time", lambda: now + SESSION_SECONDS + 2)
    assert access.actor(session) is None


def test_the_secret_of_the_webhook_makes_no_session(tmp_path: Path) -> None:
    """It is given to whoever keeps the repository."""
    access = Access(tmp_path)

    assert access.actor(TimestampSigner(access.webhook_secret).sign("made up").decode()) is None


def test_a_session_ends_when_the_token_changes(tmp_path: Path) -> None:
    access = Access(tmp_path)
    session = access.redeem(access.new_login_token())

    assert Access(tmp_path, "quite-another-token").actor(session) is None


def test_who_signed_out_is_out(tmp_path: Path) -> None:
    access = Access(tmp_path)
    session, other = (access.redeem(access.new_login_token()) for _ in range(2))
    assert session is not None

    access.end_session(session)

    assert access.actor(session) is None
    assert access.actor(other) == BY_LINK


@pytest.mark.parametrize("session", [None, "", "a.b.c", "é"])
def test_a_made_up_session_is_nobodys(tmp_path: Path, session: str | None) -> None:
    assert Access(tmp_path).actor(session) is None


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://here", "host": "here"}, False),
        ({"origin": "http://here:8787", "host": "here:8787"}, True),
        ({"origin": "http://there:8787", "host": "here:8787"}, False),
        ({"origin": "null", "host": "here:8787"}, False),
        ({"host": "here:8787"}, False),
        ({}, False),
    ],
)
def test_a_change_must_come_from_a_page_of_ours(headers: dict[str, str], is_ours: bool) -> None:
    assert is_same_origin(headers) is is_ours
