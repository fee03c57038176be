"""The history's schema, step by step, by Alembic; run by the program and never by hand."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from livegraft.crash_points import crash_point
from livegraft.errors import StoreError
from livegraft.store.database import Database


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema of a history to the newest revision, in one transaction.

    Of several processes that open a new one at once, one does it and the others find it done. Closes the database
    and raises StoreError when that fails, as for a history that a newer livegraft has written.
    """
    try:
        with database.writing(alone="migration") as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            crash_point("schema changed")
    except CommandError as error:
        database.close()
        raise StoreError(
            f"expected the history {database.name} to be of this livegraft or an older one, got a newer one: {error}; "
            "update livegraft, or restore a backup"
        ) from error
    except BaseException:
        database.close()
        raise
