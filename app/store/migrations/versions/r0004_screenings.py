"""What screenings found; a bank may have a screening beside its build."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ACTIVE = sa.text("state IN ('queued', 'running')")


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "screenings",
        sa.Column("id", words(36), nullable=False),
        sa.Column("bank", words(63), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("set_sha256", words(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["bank"], ["banks.id"], name=op.f("fk_screenings_bank"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_screenings_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screenings")),
    )
    op.create_index(op.f("ix_screenings_bank_set_sha256"), "screenings", ["bank", "set_sha256"], unique=False)
    op.create_index(op.f("ix_screenings_sha256"), "screenings", ["sha256"], unique=False)
    op.drop_index("uq_jobs_active_bank", "jobs")
    op.create_index(
        "uq_jobs_active_bank",
        "jobs",
        ["bank", "kind"],
        unique=True,
        postgresql_where=ACTIVE,
        sqlite_where=ACTIVE,
    )
