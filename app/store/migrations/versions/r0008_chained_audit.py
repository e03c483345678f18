"""The audit log says from where, and is chained; entries of earlier releases are chained as they are found."""

import sqlalchemy as sa
from alembic import op

from app.store.audit import LAST, START, sealed  # the digest's form is for good: entries have it
from app.store.schema import AuditEntry, Mark

revision = "0008"
down_revision = "0007"


def words(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("audit", sa.Column("address", words(64), nullable=True))
    op.add_column("audit", sa.Column("number", sa.BigInteger(), nullable=True))
    op.add_column("audit", sa.Column("digest", words(64), nullable=True))
    op.create_index(op.f("ix_audit_number"), "audit", ["number"], unique=True)
    chain()


def chain() -> None:
    bind, entries = op.get_bind(), AuditEntry.__table__.c
    said = [entries[name] for name in ("id", "actor", "action", "target", "detail", "created_at", "address")]
    digest, number, now = START, 0, None
    for number, row in enumerate(bind.execute(sa.select(*said).order_by(entries.id)).all(), 1):
        digest = sealed(digest, AuditEntry(**row._mapping, number=number))
        change = {"number": number, "digest": digest}
        bind.execute(sa.update(AuditEntry).where(entries.id == row.id).values(change))
        now = row.created_at
    if number:
        mark = {"name": LAST, "value": f"{number}:{digest}", "set_at": now}
        bind.execute(sa.insert(Mark).values(mark))
