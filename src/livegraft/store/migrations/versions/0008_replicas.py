"""Processes that share the history, the runs that wait for any of them, and what they are asked to cancel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from livegraft.store.migrations.words import WORDS

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("turn_group", WORDS, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "cancels",
        sa.Column("run_id", WORDS, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    )
    op.create_table(
        "replicas",
        sa.Column("identity", WORDS, primary_key=True),
        sa.Column("host", WORDS, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("address", WORDS, nullable=False),
        sa.Column("revision", WORDS, nullable=False),
        sa.Column("livegraft", WORDS, nullable=False),
        sa.Column("python", WORDS, nullable=False),
    )
