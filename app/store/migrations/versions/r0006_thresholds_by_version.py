"""Thresholds by score stay with the version they were set for: scores of two versions are not comparable."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("review_threshold", "reject_threshold"):
        op.add_column("versions", sa.Column(name, sa.Float(), nullable=True))
