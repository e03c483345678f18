"""Why a threshold was changed; a verdict taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

VERDICTS = "verdict IN ('confirmed_defect', 'false_alarm', 'missed_defect', 'withdrawn')"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def reviews() -> sa.Table:
    """The table without its check, which SQLite does not tell when it is asked for the table."""
    return sa.Table(
        "reviews",
        sa.MetaData(),
        sa.Column("inspection_id", words(36), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verdict", words(16), nullable=False),
        sa.Column("note", words(4000), nullable=False),
        sa.Column("actor", words(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inspection_id"],
            ["inspections.id"],
            name=op.f("fk_reviews_inspection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inspection_id", "revision", name=op.f("pk_reviews")),
    )


def upgrade() -> None:
    op.add_column("threshold_changes", sa.Column("note", words(4000), nullable=True))
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_reviews_verdict"), "reviews", type_="check")
    with op.batch_alter_table("reviews", copy_from=reviews()) as batch:
        batch.create_check_constraint(op.f("ck_reviews_verdict"), VERDICTS)
