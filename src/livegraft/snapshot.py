"""The tree of one revision, read from Git's objects and never from a work tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from livegraft.revision import Revision


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that livegraft leaves out, and why: a symlink, a submodule, a name or size out of bounds."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Every regular file of one revision.

    ``files`` maps the POSIX path inside the repository to the blob id:
    ``{"reports/daily.py": "9f2c1a..."}``. Treat it as immutable.
    """

    revision: Revision
    files: Mapping[str, str]
    skipped: tuple[Skipped, ...] = field(default=())
