"""``livegraft backup``: a copy of the history while it is in use."""

from __future__ import annotations

import os
from pathlib import Path

from livegraft.cli.printing import print_json
from livegraft.errors import ConfigurationError
from livegraft.store import sqlite_file


def back_up(data: Path, target: Path, *, store: str, overwrite: bool, as_json: bool) -> None:
    """Copy the history of a data folder to a file, and tell its size. Raises ConfigurationError for PostgreSQL."""
    if store or os.environ.get("LIVEGRAFT_STORE", ""):
        raise ConfigurationError(
            "expected the history to be a file, it is in PostgreSQL: use pg_dump, or the backups of the server"
        )
    size = sqlite_file.copy(data / "history.db", target, overwrite=overwrite)
    if as_json:
        print_json({"file": str(target), "bytes": size})
    else:
        print(f"{target}: {size} bytes, checked")
