"""A commit of the mirrored repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SHORT = 8
"""How many hex digits of a revision people are shown."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit, by full id, with what people want to know of it.

    A work tree (``livegraft check``) has no commit: its id is ``worktree``.
    """

    id: str
    author: str
    email: str
    committed_at: datetime
    subject: str

    @property
    def short(self) -> str:
        return self.id[:SHORT]

    def __str__(self) -> str:
        return self.short
