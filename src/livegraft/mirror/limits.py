"""Bounds on what a repository may hold, so that a hostile or broken one cannot fill memory or disk."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a repository is believed. What exceeds a bound is left out or refused, with a reason.

    ``blob_bytes``: one file; a bigger one is skipped. ``files``: regular files of one revision.
    ``tree_entries``: entries of one directory. ``path_length``: characters of one path.
    ``depth``: directories inside each other. ``pack_bytes``: one file that git may write.
    """

    blob_bytes: int = MEBIBYTE
    files: int = 50_000
    tree_entries: int = 50_000
    path_length: int = 1024
    depth: int = 64
    pack_bytes: int = 2048 * MEBIBYTE


DEFAULT_LIMITS = Limits()
