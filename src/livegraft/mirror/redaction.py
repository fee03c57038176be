"""Keeping credentials out of what people read."""

from __future__ import annotations

import base64
from urllib.parse import quote

from livegraft.errors import ConfigurationError
from livegraft.mirror.address import hide_userinfo

HIDDEN = "***"


def check_token(token: str) -> str:
    """The token, if it can be handed to git at all. Raises ConfigurationError, which does not show it."""
    if any(not "!" <= character <= "~" for character in token):
        raise ConfigurationError(
            "expected a git token of printable characters without spaces, got something else;"
            " look for a line end at the end of LIVEGRAFT_GIT_TOKEN"
        )
    return token


class Redactor:
    """Takes a secret, in the forms in which programs repeat it, and the userinfo of URLs out of text."""

    def __init__(self, token: str | None) -> None:
        secret = (token or "").rpartition(":")[2]
        forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), token or ""}
        self._forms = sorted((form for form in forms if form), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return hide_userinfo(text)
