"""The newest slots in a state, of a history in which few are."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("slots_by_state", "slots", ["state", "slot_at"])
