"""All that a bank's trend reads of its inspections, by time, in one index."""

from alembic import op

revision = "0007"
down_revision = "0006"
COLUMNS = ["bank", "created_at", "station", "decision", "verdict", "score"]


def upgrade() -> None:
    op.create_index("ix_inspections_trend", "inspections", COLUMNS)
