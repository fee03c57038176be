"""The first schema: runs and output, releases and versions, schedules and slots, decisions and audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from livegraft.store.migrations.words import WORDS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("action", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("detail", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("revision", WORDS, nullable=False),
        sa.Column("author", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("error", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("releases_by_revision", "releases", ["revision", "id"], unique=False)
    op.create_index("releases_by_state", "releases", ["state"], unique=False)
    op.create_table(
        "restraints",
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("revision", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject"),
    )
    op.create_table(
        "runs",
        sa.Column("id", WORDS, nullable=False),
        sa.Column("script", WORDS, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("revision", WORDS, nullable=False),
        sa.Column("trigger", WORDS, nullable=False),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("arguments", WORDS, nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("process", WORDS, nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("result", WORDS, nullable=True),
        sa.Column("failure", WORDS, nullable=True),
        sa.Column("output_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("runs_by_script", "runs", ["script", "id"], unique=False)
    op.create_index("runs_by_state", "runs", ["state", "id"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("script", WORDS, nullable=False),
        sa.Column("schedule", WORDS, nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("script", "schedule"),
    )
    op.create_table(
        "versions",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("script", WORDS, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("revision", WORDS, nullable=False),
        sa.Column("author", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("versions_by_time", "versions", ["script", "loaded_at"], unique=False)
    op.create_index("versions_once", "versions", ["script", "key"], unique=True)
    op.create_table(
        "output",
        sa.Column("run_id", WORDS, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "offset"),
    )
    op.create_table(
        "release_scripts",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("script", WORDS, nullable=False),
        sa.Column("outcome", WORDS, nullable=False),
        sa.Column("key", WORDS, nullable=False),
        sa.Column("failure", WORDS, nullable=True),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("release_id", "script"),
    )
    op.create_table(
        "release_steps",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("step", WORDS, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("release_id", "step"),
    )
    op.create_table(
        "slots",
        sa.Column("script", WORDS, nullable=False),
        sa.Column("schedule", WORDS, nullable=False),
        sa.Column("slot_at", sa.BigInteger(), nullable=False),
        sa.Column("state", WORDS, nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", WORDS, nullable=True),
        sa.Column("reason", WORDS, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("script", "schedule", "slot_at"),
    )
    op.create_index("slots_by_run", "slots", ["run_id"], unique=False)
    op.create_index("slots_by_script", "slots", ["script", "slot_at"], unique=False)
    op.create_index("slots_by_time", "slots", ["slot_at"], unique=False)
