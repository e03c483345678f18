"""Check sets: labelled images that every version of a bank is tried on, and what each version scored on them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
OF_SET = (["bank", "check_set"], ["check_sets.bank", "check_sets.name"])


def words(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "check_sets",
        sa.Column("bank", words(63), nullable=False),
        sa.Column("name", words(63), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["bank"], ["banks.id"], name=op.f("fk_check_sets_bank"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("bank", "name", name=op.f("pk_check_sets")),
    )
    op.create_table(
        "check_images",
        sa.Column("bank", words(63), nullable=False),
        sa.Column("check_set", words(63), nullable=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("name", words(255), nullable=False),
        sa.Column("kind", words(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("serial", words(128), nullable=True),
        sa.ForeignKeyConstraint(*OF_SET, name=op.f("fk_check_images_bank_check_set"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_check_images_sha256")),
        sa.PrimaryKeyConstraint("bank", "check_set", "sha256", name=op.f("pk_check_images")),
    )
    op.create_index(op.f("ix_check_images_sha256"), "check_images", ["sha256"], unique=False)
    op.create_table(
        "check_runs",
        sa.Column("bank", words(63), nullable=False),
        sa.Column("check_set", words(63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("job_id", words(36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(*OF_SET, name=op.f("fk_check_runs_bank_check_set"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["bank", "version"],
            ["versions.bank", "versions.number"],
            name=op.f("fk_check_runs_bank_version"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_check_runs_sha256")),
        sa.PrimaryKeyConstraint("bank", "check_set", "version", name=op.f("pk_check_runs")),
    )
    op.create_index(op.f("ix_check_runs_sha256"), "check_runs", ["sha256"], unique=False)
