"""Marks: facts about the whole store, by name, such as the time last seen or how many files were lost."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.store.database import Database
from app.store.schema import Mark


def mark_of(session: Session, name: str) -> Mark | None:
    """As the database has it now, whatever the session read before."""
    return session.get(Mark, name, populate_existing=True)


def set_mark(session: Session, name: str, value: str, at: datetime) -> None:
    """Write it, in place of one that is there; two servers may do so at once."""
    database: Database = session.info["database"]
    new = {"value": value, "set_at": at}
    mark = database.insert(Mark).values(name=name, **new)
    session.execute(mark.on_conflict_do_update(index_elements=["name"], set_=new))


def forget_mark(session: Session, name: str) -> None:
    """Harmless where there is none."""
    session.execute(delete(Mark).where(Mark.name == name))
