"""Which store a host has: by the setting ``store``, or the SQLite file in its data folder."""

from __future__ import annotations

from pathlib import Path

from livegraft.errors import ConfigurationError
from livegraft.store import Store, sqlite


def open_store(address: str, data: Path) -> Store:
    """Open the history at an address, "" for ``history.db`` in the data folder.

    Raises ConfigurationError for an address that cannot be read, StoreError when what is there cannot be used.
    """
    if not address:
        return sqlite.open_store(data / "history.db")
    scheme = address.partition("://")[0]
    if scheme in ("postgresql", "postgres"):
        from livegraft.store import postgresql

        return postgresql.open_store(address)
    # No more of it is shown: a password may stand behind.
    found = f"{scheme}://..." if "://" in address else "something without a scheme"
    raise ConfigurationError(
        f"expected the setting `store` to be postgresql://USER:PASSWORD@HOST:PORT/DATABASE, got: {found}; leave it "
        "away to have a SQLite file in the data folder"
    )
