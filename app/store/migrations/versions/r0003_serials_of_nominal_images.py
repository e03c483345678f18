"""The serial number of the part that a nominal image shows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def serial() -> sa.Column[str]:
    words = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
    return sa.Column("serial", words, nullable=True)


def upgrade() -> None:
    for table in ("images", "job_images"):
        op.add_column(table, serial())
