"""Rows of the database as plain records."""

from sqlalchemy import Engine, text


def rows(db: Engine, sql: str, **values: object) -> list[dict[str, object]]:
    with db.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(text(sql), values)]


def change(db: Engine, sql: str, **values: object) -> int:
    """Do it in a transaction of its own; how many rows it changed."""
    with db.begin() as connection:
        return connection.execute(text(sql), values).rowcount
