"""Keyset pages: a page goes on where the last one ended, whatever was added or deleted in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from app.store.database import Database

MAX_LIMIT = 1000
Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and the cursor to ask for the next with; None after the last."""

    items: list[Row]
    next: str | None


def newest_first(
    database: Database, query: Select[Row], key: InstrumentedAttribute[str], before: str | None, limit: int
) -> Page[Row]:
    """The ``limit`` rows (1 to 1,000) of largest ``key`` under the cursor ``before``."""
    if before is not None:
        query = query.where(key < before)
    return page_of(database, query.order_by(key.desc()), limit, lambda row: str(getattr(row, key.key)))


def page_of(database: Database, query: Select[Row], limit: int, cursor: Callable[[Row], str]) -> Page[Row]:
    """The first ``limit`` rows of an ordered ``query``; one more is read to know whether any follow."""
    limit = min(max(limit, 1), MAX_LIMIT)
    with database.read() as session:
        rows = list(session.scalars(query.limit(limit + 1)))
    items = rows[:limit]
    return Page(items, cursor(items[-1]) if len(rows) > limit else None)


def page_among(rows: Sequence[Row], key: Callable[[Row], str], after: str | None, limit: int) -> Page[Row]:
    """The same of rows that are in memory already, those after the one of this key."""
    start = next((place for place, row in enumerate(rows, 1) if key(row) == after), 0)
    items = [*rows[start : start + min(max(limit, 1), MAX_LIMIT)]]
    return Page(items, key(items[-1]) if start + len(items) < len(rows) else None)
