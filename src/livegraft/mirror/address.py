"""The address of a repository: parsed strictly, shown without credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from livegraft.errors import ConfigurationError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
REMOTE_PATH = re.compile(r"[A-Za-z0-9._~/][A-Za-z0-9._~/@+%-]*")
SCP_FORM = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>[^@/:]+|\[[^]/]+\]):(?P<path>.+)")
TRANSPORT_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
UNPRINTABLE = re.compile(r"[^!-~]")

BRANCH_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._+@=-]*[A-Za-z0-9_+@=-])?")

FORMS = "an absolute path, https://host/path, ssh://user@host/path or user@host:path"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the repository is.

    ``text`` is what git is given and people are shown. ``protocol`` is the only transport git may
    use for it: https, ssh, file, or http for this machine. ``folder`` is set for a local path.
    """

    text: str
    protocol: str
    folder: Path | None = None


def parse_address(text: str) -> Address:
    """Take a repository's address from the configuration. Raises ConfigurationError."""
    if text.startswith("-") or TRANSPORT_HELPER.match(text) or not text.strip() or "\0" in text or "\n" in text:
        raise _refused(text)
    if "://" in text:
        return _parse_url(text)
    if not text.startswith(("/", ".", "~")) and ":" in text.partition("/")[0]:
        return _parse_scp_form(text)
    try:
        folder = Path(text).expanduser().absolute()
    except RuntimeError:  # the home folder of an unknown user
        raise _refused(text) from None
    return Address(str(folder), "file", folder)


def check_branch(name: str) -> str:
    """The short name of a branch, if it fits our grammar. Raises ConfigurationError."""
    parts = name.split("/")
    faulty = not all(BRANCH_PART.fullmatch(part) for part in parts) or ".." in name or "@{" in name
    if faulty or parts[0] == "refs" or any(part.endswith(".lock") for part in parts) or len(name) > 200:
        raise ConfigurationError(f"expected the short name of a branch, such as 'main' or 'team/live', got: {name!r}")
    return name


def hide_userinfo(text: str) -> str:
    """The text without user names and passwords of the URLs in it."""
    return re.sub(r"(\w+://)[^\s'\"]*@", r"\1***@", text)


def _parse_url(text: str) -> Address:
    if UNPRINTABLE.search(text):
        raise _refused(text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _refused(text) from None
    if url.password is not None or (url.username is not None and url.scheme != "ssh"):
        raise ConfigurationError(
            f"expected an address without credentials, got: {hide_userinfo(text)!r};"
            " give the token in LIVEGRAFT_GIT_TOKEN and take it out of the address"
        )
    if url.scheme not in ("https", "http", "ssh") or url.query or url.fragment or port == 0:
        raise _refused(text)
    _check_place(text, url)
    return Address(text, url.scheme)


def _check_place(text: str, url: SplitResult) -> None:
    host = url.netloc.rpartition("@")[2].removesuffix(f":{url.port}")
    user_fits = url.username is None or USER.fullmatch(url.username)
    if not (user_fits and HOST.fullmatch(host) and url.path.strip("/") and REMOTE_PATH.fullmatch(url.path)):
        raise _refused(text)
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        raise ConfigurationError(f"expected https for a repository on another machine, got: {text!r}")


def _parse_scp_form(text: str) -> Address:
    match = SCP_FORM.fullmatch(text)
    if match is None:
        raise _refused(text)
    user, host, path = match["user"], match["host"], match["path"]
    if not (HOST.fullmatch(host) and REMOTE_PATH.fullmatch(path) and (user is None or USER.fullmatch(user))):
        raise _refused(text)
    return Address(text, "ssh")


def _refused(text: str) -> ConfigurationError:
    shown = "***@" + text.rpartition("@")[2] if "@" in text else text
    return ConfigurationError(f"expected the address of a repository ({FORMS}), got: {shown!r}")
