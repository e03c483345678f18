"""What a job of the kind advice found is kept with it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("result", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True))
