"""Descriptors by which similar inspections are found; kinds of defects."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
KINDS = ["bank", "verdict", "kind", "created_at", "station", "serial", "id"]


def words(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("inspections", sa.Column("kind", words(64), nullable=True))
    op.add_column("reviews", sa.Column("kind", words(64), nullable=True))
    op.create_index("ix_inspections_kinds", "inspections", KINDS)
    op.create_table(
        "descriptors",
        sa.Column("inspection_id", words(36), nullable=False),
        sa.Column("bank", words(63), nullable=False),
        sa.Column("space", words(64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["inspection_id"],
            ["inspections.id"],
            op.f("fk_descriptors_inspection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inspection_id", name=op.f("pk_descriptors")),
    )
