"""That a key existed is remembered, and keys are limited to banks and stations.

A store of an earlier release had a key if a row or the audit log says so.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
CLOSED = (
    "INSERT INTO marks SELECT 'keys.closed', 'a key of an earlier release', CURRENT_TIMESTAMP "
    "WHERE EXISTS (SELECT 1 FROM api_keys) OR EXISTS (SELECT 1 FROM audit WHERE action = 'key.create')"
)


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "marks",
        sa.Column("name", words(64), nullable=False),
        sa.Column("value", words(255), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    for name in ("banks", "stations"):
        op.add_column("api_keys", sa.Column(name, document, nullable=True))
    op.execute(CLOSED)
