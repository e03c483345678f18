"""The audit log: each entry is written in the transaction of the change it describes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.database import Database
from app.store.ids import Clock, new_id
from app.store.page import Page, newest_first
from app.store.schema import AuditEntry


class Audit:
    """Reads the log; ``record`` writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, *, target: str | None = None, before: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        """Entries, newest first."""
        query = select(AuditEntry)
        if target is not None:
            query = query.where(AuditEntry.target == target)
        return newest_first(self._database, query, AuditEntry.id, before, limit)


def record(session: Session, clock: Clock, actor: str, action: str, target: str, **detail: Any) -> None:
    """Note that ``actor`` did ``action`` (``bank.create``) to ``target`` (``bank:screws``)."""
    entry = AuditEntry(
        id=new_id(), actor=actor, action=action, target=target, detail=detail, created_at=clock.now()
    )
    session.add(entry)
