"""The history's schema, step by step, by Alembic; run by the program and never by hand."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from livegraft.errors import StoreError
from livegraft.store.database import Database


def migrate(file: Path) -> None:
    """Bring the schema of a history to the newest revision, in one transaction.

    Of several processes that open a new file at once, one does it and the others find it done. Raises
    StoreError for a history that a newer livegraft has written.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    database = Database(file)
    try:
        with database.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"expected the history {file} to be of this livegraft or an older one, got a newer one: {error}; "
            "update livegraft, or restore a backup"
        ) from error
    finally:
        database.close()
