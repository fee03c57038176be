"""Runs that wait until they are due and their script is free, and why slots were not run at their time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from livegraft.store.migrations.words import WORDS

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WAITING = "state = 'queued' AND process = ''"


def upgrade() -> None:
    op.add_column("runs", sa.Column("slot_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "runs_waiting", "runs", ["due_at"], sqlite_where=sa.text(WAITING), postgresql_where=sa.text(WAITING)
    )
    op.add_column("slots", sa.Column("cause", WORDS, nullable=False, server_default=""))
