"""Sinks of events, their secrets, and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
STATES = "state IN ('waiting', 'delivered', 'dead')"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def document() -> sa.JSON:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def utc() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sinks",
        sa.Column("id", words(63), nullable=False),
        sa.Column("kind", words(32), nullable=False),
        sa.Column("target", document(), nullable=False),
        sa.Column("created_by", words(255), nullable=False),
        sa.Column("created_at", utc(), nullable=False),
        sa.Column("updated_at", utc(), nullable=False),
        *(sa.Column(name, document(), nullable=True) for name in ("kinds", "banks", "decisions", "stations")),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("owner", words(255), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", utc(), nullable=True),
        sa.Column("error", words(4000), nullable=True),
        sa.Column("error_at", utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sinks")),
    )
    op.create_table(
        "sink_secrets",
        sa.Column("id", words(36), nullable=False),
        sa.Column("sink", words(63), nullable=False),
        sa.Column("text", words(1024), nullable=False),
        sa.Column("expires_at", utc(), nullable=True),
        sa.ForeignKeyConstraint(["sink"], ["sinks.id"], op.f("fk_sink_secrets_sink"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sink_secrets")),
    )
    op.create_index("ix_sink_secrets_sink", "sink_secrets", ["sink"])
    op.create_table(
        "outbox",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("sink", words(63), nullable=False),
        sa.Column("id", words(255), nullable=False),
        sa.Column("bank", words(63), nullable=False),
        sa.Column("kind", words(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("queued_at", utc(), nullable=False),
        sa.Column("state", words(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", words(4000), nullable=True),
        sa.Column("settled_at", utc(), nullable=True),
        sa.CheckConstraint(STATES, name=op.f("ck_outbox_state")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("sink", "id", name=op.f("uq_outbox_sink_id")),
    )
    op.create_index("ix_outbox_sink_state_seq", "outbox", ["sink", "state", "seq"])
    op.create_index("ix_outbox_state_settled_at", "outbox", ["state", "settled_at"])
