"""Which slots of a span of time have a run that failed, of all scripts or of one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FAILED = sa.text("slot_at IS NOT NULL AND coalesce(state, '') IN ('failed', 'timed out', 'stuck', 'lost')")


def upgrade() -> None:
    for name, columns in (("runs_failed_by_slot", ["slot_at"]), ("runs_failed_by_script", ["script", "slot_at"])):
        op.create_index(name, "runs", columns, sqlite_where=FAILED, postgresql_where=FAILED)
