"""The servers that live, what they are asked to load, and what a job needs of who takes it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def document() -> sa.JSON:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "servers",
        sa.Column("id", words(255), nullable=False),
        sa.Column("release", words(64), nullable=False),
        sa.Column("backbone", words(64), nullable=False),
        sa.Column("weights", words(64), nullable=False),
        sa.Column("precision", words(16), nullable=False),
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("unfit", document(), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("beat", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
    )
    op.create_table(
        "warmings",
        sa.Column("server", words(255), nullable=False),
        sa.Column("id", words(36), nullable=False),
        sa.Column("bank", words(63), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("server", "id", name=op.f("pk_warmings")),
    )
    op.add_column("jobs", sa.Column("needs_weights", words(64), nullable=True))
    op.add_column("jobs", sa.Column("needs_precision", words(16), nullable=True))
    op.add_column("jobs", sa.Column("waits_for", words(255), nullable=True))
