"""The digest a bank serves, numbers that no later bank of a name is given again, and builds not activated.

Earlier releases counted anew with each bank of a name. So a bank goes on from the highest number under which its name
has an inspection, and a name whose bank is gone keeps that number as used.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


ACTIVE = (
    "SELECT sha256 FROM versions WHERE versions.bank = banks.id AND versions.number = banks.active_version"
)
HIGHEST = "SELECT max(version) FROM inspections WHERE inspections.bank = banks.id"
GONE = "SELECT bank, max(version), 0 FROM inspections WHERE bank NOT IN (SELECT id FROM banks) GROUP BY bank"


def upgrade() -> None:
    op.create_table(
        "used_names",
        sa.Column("id", words(63), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_names")),
    )
    op.add_column("banks", sa.Column("active_sha256", words(64), nullable=True))
    op.add_column("jobs", sa.Column("not_activated", words(4000), nullable=True))
    op.execute(f"UPDATE banks SET active_sha256 = ({ACTIVE})")
    op.execute(f"UPDATE banks SET last_version = ({HIGHEST}) WHERE last_version < ({HIGHEST})")
    op.execute(f"INSERT INTO used_names {GONE}")
