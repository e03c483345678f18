"""Which files of watched folders were inspected: written with the inspection, asked before, forgotten once moved.

A file is known by its folder, its name and the sha256 of its bytes. The three are the table's key, so that two servers,
or one before and after a crash, cannot both record an inspection of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select, tuple_, update

from app.store.database import Database
from app.store.ids import Clock
from app.store.schema import Origin

CHUNK = 500  # names of one query
FRESH = timedelta(days=1)  # for which a file may be out of sight


class Known(NamedTuple):
    """A file that was inspected, as it was then: bytes, and time of its last change in nanoseconds."""

    size: int
    mtime_ns: int


class Origins:
    """Every method is one transaction, durable once it returns, or a few of them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def of(self, source: str, sha256: str) -> list[Origin]:
        """The inspected files of a folder with these bytes, oldest first."""
        query = select(Origin).where(Origin.source == source, Origin.sha256 == sha256)
        with self._database.read() as session:
            return [*session.scalars(query.order_by(Origin.created_at))]

    def known(self, source: str, names: Sequence[str]) -> set[tuple[str, Known]]:
        """What was inspected under these names."""
        found: set[tuple[str, Known]] = set()
        columns = Origin.name, Origin.size, Origin.mtime_ns
        for start in range(0, len(names), CHUNK):
            some = names[start : start + CHUNK]
            with self._database.read() as session:
                rows = session.execute(select(*columns).where(Origin.source == source, Origin.name.in_(some)))
                found |= {(name, Known(size, mtime_ns)) for name, size, mtime_ns in rows}
        return found

    def rename(self, origin: Origin, name: str) -> None:
        """The file has another name by now."""
        with self._database.write() as session:
            session.execute(update(Origin).where(*_key(origin)).values(name=name))

    def forget(self, origin: Origin) -> None:
        """Under this name a file with the same bytes will be another one."""
        with self._database.write() as session:
            session.execute(delete(Origin).where(*_key(origin)))

    def sweep(self, source: str, is_there: Callable[[str], bool]) -> int:
        """Forget files that are gone and were inspected more than a day ago; how many."""
        before, last, forgotten = self._clock.now() - FRESH, ("", ""), 0
        query = select(Origin).where(Origin.source == source, Origin.created_at < before)
        order = tuple_(Origin.name, Origin.sha256)
        while True:
            with self._database.read() as session:
                page = [
                    *session.scalars(
                        query.where(order > last).order_by(Origin.name, Origin.sha256).limit(CHUNK)
                    )
                ]
            gone = [row for row in page if not is_there(row.name)]
            for row in gone:
                self.forget(row)
            forgotten += len(gone)
            if len(page) < CHUNK:
                return forgotten
            last = page[-1].name, page[-1].sha256


def _key(origin: Origin) -> list[ColumnElement[bool]]:
    return [
        Origin.source == origin.source,
        Origin.name == origin.name,
        Origin.sha256 == origin.sha256,
    ]
