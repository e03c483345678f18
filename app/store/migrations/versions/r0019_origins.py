"""Which file of a watched folder an inspection is of."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"


def words(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "origins",
        sa.Column("source", words(255), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inspection_id", words(36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "name", "sha256", name=op.f("pk_origins")),
    )
    op.create_index("ix_origins_source_sha256", "origins", ["source", "sha256"])
