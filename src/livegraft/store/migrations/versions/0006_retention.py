"""What slots were deleted of a schedule, and finding rows of the audit by what was done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("schedules", sa.Column("trimmed_to", sa.BigInteger()))
    op.create_index("audit_by_action", "audit", ["action", "id"])
