"""What people ask for of runs and of the audit: by whom, why, when."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("runs_by_actor", "runs", ["actor", "id"])
    op.create_index("runs_by_trigger", "runs", ["trigger", "id"])
    op.create_index("audit_by_actor", "audit", ["actor", "id"])
    op.create_index("audit_by_subject", "audit", ["subject", "id"])
    op.create_index("audit_by_time", "audit", ["at", "id"])
