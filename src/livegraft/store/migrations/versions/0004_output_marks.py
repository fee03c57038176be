"""When and at which level the output of a run was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from livegraft.store.migrations.words import WORDS

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "output_marks",
        sa.Column("run_id", WORDS, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
