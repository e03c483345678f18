"""Remembered proofs that a bank scores somewhere as recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "proofs",
        sa.Column("id", words(64), nullable=False),
        sa.Column("bank_sha256", words(64), nullable=False),
        sa.Column("difference", sa.Float(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proofs")),
        sa.ForeignKeyConstraint(
            ["bank_sha256"], ["blobs.sha256"], op.f("fk_proofs_bank_sha256"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_proofs_bank_sha256", "proofs", ["bank_sha256"])
