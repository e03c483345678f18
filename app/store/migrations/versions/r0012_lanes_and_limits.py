"""Priority and share of a bank, limits of a key, and why an inspection's image was not kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("banks", sa.Column("priority", words(16), nullable=True))
    op.add_column("banks", sa.Column("share", sa.Float(), nullable=True))
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("api_keys", sa.Column("limits", document, nullable=True))
    op.add_column("inspections", sa.Column("image_not_kept", words(64), nullable=True))
