"""Which names of files and directories livegraft takes from a repository."""

from __future__ import annotations

import re
import unicodedata

ALLOWED = re.compile(r"[\w. +@,=~-]+")
"""Letters and digits of any script, and the punctuation that needs no quoting in a URL, a shell or a log line."""

GIT_FOLDERS = {".git", "git~1"}
NAME_BYTES = 255

SYMLINK = "symbolic links are not followed; put a regular file in its place"
SUBMODULE = "submodules are not fetched; put its files into this repository"
TWIN = "expected names that differ by more than upper and lower case"


def fold(name: str) -> str:
    """The form in which names are compared: two names with one form are one file on some machines."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def fault(name: str) -> str:
    """Why this name of a file or directory is refused; "" when it is fine."""
    if name in (".", "..") or name.lower() in GIT_FOLDERS:
        return f"expected a name that stays inside the repository, got: {name!r}"
    if not ALLOWED.fullmatch(name if name.isascii() else unicodedata.normalize("NFC", name)):
        return f"expected a name of letters, digits, space and . _ + @ , = ~ -, got: {name!a}"
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        return f"expected a name of at most {NAME_BYTES} bytes, got: {len(name)} characters"
    return ""


def shown(name: str) -> str:
    """A refused name as people can read it: what cannot be printed is spelled out."""
    return name if name.isprintable() else ascii(name)[1:-1]


def printable(name: bytes) -> str:
    """A name that is no UTF-8, as people can read it."""
    return name.decode("utf-8", "backslashreplace")
