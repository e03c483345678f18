"""All that a bank's trend reads of its inspections, by time, in one index; links by which people sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
TREND = ["bank", "created_at", "station", "decision", "verdict", "score"]


def words(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_index("ix_inspections_trend", "inspections", TREND)
    op.create_table(
        "sign_in_links",
        sa.Column("sha256", words(64), nullable=False),
        sa.Column("key_id", words(16), nullable=False),
        sa.Column("created_by", words(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], op.f("fk_sign_in_links_key_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_sign_in_links")),
    )
