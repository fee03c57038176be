"""The content of results that are no JSON: tables, pictures, texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from livegraft.store.migrations.words import WORDS

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "results",
        sa.Column("run_id", WORDS, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
