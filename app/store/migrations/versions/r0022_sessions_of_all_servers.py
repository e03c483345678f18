"""The secret of console sessions, and those that were ended: of all servers."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0019"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", words(64), nullable=False),
        sa.Column("text", words(1024), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "ended_sessions",
        sa.Column("id", words(64), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ended_sessions")),
    )
    op.create_index("ix_ended_sessions_ended_at", "ended_sessions", ["ended_at"])
