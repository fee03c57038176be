"""Who may use the pages and the API: a token for programs, one-time links and sessions for people."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import ClassVar, Final

from itsdangerous import BadSignature, TimestampSigner

from livegraft.errors import ConfigurationError
from livegraft.supervisor import Supervisor

COOKIE: Final = "livegraft_session"
"""The cookie that carries a session."""

LINK_SECONDS: Final = 15 * 60
"""How long a one-time link can be used."""

SESSION_SECONDS: Final = 24 * 60 * 60
"""How long somebody who used a link stays signed in."""

BY_TOKEN: Final = "token"  # noqa: S105 - a name, no secret
BY_LINK: Final = "link"
"""The actors that rows of the audit name, until there are users with names."""

_GUESSABLE: Final = 16
_FILE: Final = "token"


logger = logging.getLogger(__name__)


class Access:
    """The token of one data folder, the links given out and the sessions that came of them.

    ``token`` defaults to LIVEGRAFT_TOKEN, else to what stands in the folder's ``token`` file, made with mode
    0600 at the first start. Raises ConfigurationError when that file cannot be used.
    """

    _of: ClassVar[weakref.WeakKeyDictionary[Supervisor, Access]] = weakref.WeakKeyDictionary()
    _of_lock: ClassVar = threading.Lock()

    def __init__(self, folder: Path, token: str | None = None) -> None:
        given = (token or os.environ.get("LIVEGRAFT_TOKEN") or "").strip()
        self.token: Final = given or _kept_token(folder / _FILE)
        if len(self.token) < _GUESSABLE:
            logger.warning("the token is shorter than %s characters: it can be guessed", _GUESSABLE)
        # Sessions are signed with the token, so that they survive a restart and end when it is changed.
        self._signer = TimestampSigner(hashlib.sha256(b"livegraft session " + self.token.encode()).hexdigest())
        self.webhook_secret: Final = hashlib.sha256(b"livegraft webhook " + self.token.encode()).hexdigest()
        self._links: dict[str, float] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, supervisor: Supervisor) -> Access:
        """The one access of a supervisor, whoever asks for it."""
        with cls._of_lock:
            if supervisor not in cls._of:
                cls._of[supervisor] = cls(supervisor.data)
            return cls._of[supervisor]

    def check_bearer(self, header: str | None) -> bool:
        """Whether an Authorization header carries the token."""
        kind, _, given = (header or "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode())

    def webhook_signature(self) -> hmac.HMAC:
        """To be updated with what a webhook sends, whose signature is its digest then."""
        return hmac.new(self.webhook_secret.encode(), digestmod=hashlib.sha256)

    def new_login_token(self) -> str:
        """A secret for a link that signs in whoever opens it first."""
        secret = secrets.token_urlsafe(24)
        now = time.monotonic()
        with self._lock:
            self._links = {known: ends for known, ends in self._links.items() if ends > now}
            self._links[secret] = now + LINK_SECONDS
        return secret

    def invite(self, supervisor: Supervisor, *, actor: str) -> str:
        """The secret of a link that somebody makes for somebody else, which the audit tells."""
        supervisor.store.audit.add(supervisor.clock.now(), actor, "make link", "", {})
        return self.new_login_token()

    def redeem(self, login_token: str) -> str | None:
        """A session for a link's secret, which is void from then on; None for any other."""
        with self._lock:
            ends = self._links.pop(login_token, 0.0)
        return self._signer.sign(secrets.token_urlsafe(16)).decode() if ends > time.monotonic() else None

    def actor(self, session: str | None) -> str | None:
        """Who a session belongs to, for the audit; None when it is not valid (any more)."""
        try:
            known = self._signer.unsign(session or "", max_age=SESSION_SECONDS).decode()
        except BadSignature:
            return None
        return None if known in self._ended else BY_LINK

    def signed_in_at(self, session: str) -> datetime:
        """When a valid session began."""
        return self._signer.unsign(session, return_timestamp=True)[1]

    def end_session(self, session: str) -> None:
        """Sign out."""
        with self._lock:
            self._ended.add(session.partition(".")[0])


def _kept_token(file: Path) -> str:
    """The token of a file, which is made when there is none: whole at once, for other processes may read it now."""
    try:
        if not file.exists():
            with NamedTemporaryFile("w", dir=file.parent, prefix=file.name, encoding="ascii") as new:  # mode 0600
                new.write(secrets.token_urlsafe(32))
                new.flush()
                with suppress(FileExistsError):
                    os.link(new.name, file)
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"expected to keep the token in {str(file)!r}, got: {error}") from error
    if not token:
        raise ConfigurationError(f"expected a token in {str(file)!r}, it is empty; delete it and a new one is made")
    return token


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of this very server sent the request: by ``Sec-Fetch-Site``, else by ``Origin``."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    host = headers.get("host")
    return bool(host) and headers.get("origin", "").partition("://")[2] == host
