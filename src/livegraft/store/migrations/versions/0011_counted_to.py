"""Where each schedule stands: its newest slot is not that place when the clock was set back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("schedules", sa.Column("counted_to", sa.BigInteger))
