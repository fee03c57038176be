"""Runs that repeat others, that wait for a time, and that were asked for once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from livegraft.store.migrations.words import WORDS

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("origin", WORDS, nullable=True))
    op.add_column("runs", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("runs", sa.Column("due_at", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("request", WORDS, nullable=True))
    op.create_index("runs_by_origin", "runs", ["origin", "id"], unique=False)
    op.create_index("runs_by_request", "runs", ["script", "request"], unique=True)
