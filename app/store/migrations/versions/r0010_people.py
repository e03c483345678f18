"""People whom an OpenID provider vouches for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def words(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("id", words(128), nullable=False),
        sa.Column("issuer", words(255), nullable=False),
        sa.Column("subject", words(255), nullable=False),
        sa.Column("name", words(100), nullable=False),
        sa.Column("role", words(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('read', 'inspect', 'admin')", name=op.f("ck_people_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_people_issuer_subject")),
    )
