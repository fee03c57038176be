"""Of a release of very many scripts those that failed, and how many it did what to."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("release_scripts_by_outcome", "release_scripts", ["release_id", "outcome", "script"])
