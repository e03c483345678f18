"""Kinds of defects: those that a bank's reviews name, their counts by day and station, renamed and merged."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Date, String, and_, case, cast, func, or_, select, type_coerce, update

from app.store.audit import record
from app.store.database import Database, present
from app.store.ids import Clock, shown
from app.store.inspections import Filter
from app.store.reviews import DEFECTS, checked_kind
from app.store.schema import Bank, Inspection, Review


class Tally(NamedTuple):
    """How many defects of a kind (None: no kind was named) a station had on a day of UTC."""

    kind: str | None
    day: str
    station: str | None
    inspections: int


class BankTally(NamedTuple):
    """How many defects of a kind (None: unnamed) a bank had at a station on a day of UTC."""

    bank: str
    kind: str | None
    day: str
    station: str | None
    inspections: int


class Placed(NamedTuple):
    """A defect, and where on the part its regions are."""

    id: str
    kind: str | None
    created_at: datetime
    station: str | None
    width: int
    height: int
    regions: list[Any]


class Rejected(NamedTuple):
    """A defect whose image was kept."""

    id: str
    kind: str | None
    image_sha256: str


_NAMELESS = or_(
    and_(Inspection.verdict.in_(DEFECTS), Inspection.kind.is_(None)),
    and_(Inspection.verdict.is_(None), Inspection.decision == "reject"),
)


class Kinds:
    """Every method is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def all(self, bank: str) -> dict[str, int]:
        """Those of a bank with how many inspections have each, the most frequent first."""
        count = func.count()
        query = (
            select(Inspection.kind, count)
            .where(Inspection.bank == bank, Inspection.verdict.in_(DEFECTS), Inspection.kind.is_not(None))
            .group_by(Inspection.kind)
            .order_by(count.desc(), Inspection.kind)
        )
        with self._database.read() as session:
            return {kind: number for kind, number in session.execute(query) if kind is not None}

    def rename(self, bank: str, old: str, new: str, *, actor: str) -> int:
        """Call a kind by another name, which may be another kind's: then they are one. How many inspections had it.

        Reviews carry the new name too, so that undoing one does not bring the old back. Raises ``NotFound``,
        ``IllegalValue``.
        """
        new = checked_kind(new)
        with self._database.write() as session:
            own = (Inspection.bank == bank) & (Inspection.kind == old)
            count = session.scalar(select(func.count()).where(own)) or 0
            present(
                count or None,
                f"the kind must be one of {bank}",
                shown(old),
                "List the bank's kinds; somebody may have renamed it.",
            )
            ids = select(Inspection.id).where(Inspection.bank == bank)
            session.execute(
                update(Review).where(Review.kind == old, Review.inspection_id.in_(ids)).values(kind=new)
            )
            session.execute(update(Inspection).where(own).values(kind=new))
            record(
                session,
                self._clock,
                actor,
                "kind.rename",
                f"bank:{bank}",
                old=old,
                new=new,
                inspections=count,
            )
        return count

    def tallies(self, which: Filter) -> list[Tally]:
        """The defects of a filter by kind, day and station; all that is read is in one index."""
        day = self._day()
        columns = Inspection.kind, day, Inspection.station
        query = (
            select(*columns, func.count())
            .where(*which.conditions(), Inspection.verdict.in_(DEFECTS))
            .group_by(*columns)
        )
        with self._database.read() as session:
            return [
                Tally(kind, str(when), station, count)
                for kind, when, station, count in session.execute(query)
            ]

    def unnamed(self, which: Filter) -> list[Tally]:
        """Defects without a kind and rejected parts that nobody reviewed, by day and station."""
        day = self._day()
        query = (
            select(day, Inspection.station, func.count())
            .where(*which.conditions(), _NAMELESS)
            .group_by(day, Inspection.station)
        )
        with self._database.read() as session:
            return [Tally(None, str(when), station, count) for when, station, count in session.execute(query)]

    def by_bank(self, which: Filter) -> list[BankTally]:
        """What ``tallies`` and ``unnamed`` count, of every bank that there is; not of an earlier one of the same id."""
        named = Inspection.verdict.in_(DEFECTS)
        kind = case((named, Inspection.kind))
        columns = Inspection.bank, kind, self._day(), Inspection.station
        query = (
            select(*columns, func.count())
            .join(Bank, (Bank.id == Inspection.bank) & (Inspection.created_at >= Bank.created_at))
            .where(*which.conditions(), named | _NAMELESS)
            .group_by(*columns)
        )
        with self._database.read() as session:
            return [
                BankTally(bank, kind, str(day), station, count)
                for bank, kind, day, station, count in session.execute(query)
            ]

    def placed(self, which: Filter, *, named: bool, limit: int) -> list[Placed]:
        """The newest defects that have a kind, or those that ``unnamed`` counts."""
        mine = Inspection.kind.is_not(None) & Inspection.verdict.in_(DEFECTS) if named else _NAMELESS
        newest = (
            select(Inspection.id)
            .where(*which.conditions(), mine)
            .order_by(Inspection.created_at.desc())
            .limit(limit)
        )
        query = (
            select(*(getattr(Inspection, name) for name in Placed._fields))
            .where(Inspection.id.in_(newest))
            .order_by(Inspection.id.desc())
        )
        with self._database.read() as session:
            return [Placed(*row) for row in session.execute(query)]

    def rejects(self, bank: str, since: datetime, limit: int) -> list[Rejected]:
        """The newest defects since then whose images were kept: reviewed ones, and rejected ones nobody reviewed."""
        defect = Inspection.verdict.in_(DEFECTS) | _NAMELESS
        query = (
            select(*(getattr(Inspection, name) for name in Rejected._fields))
            .where(Inspection.bank == bank, Inspection.created_at >= since, defect)
            .where(Inspection.image_sha256.is_not(None))
            .order_by(Inspection.id.desc())
            .limit(limit)
        )
        with self._database.read() as session:
            return [Rejected(*row) for row in session.execute(query)]

    def _day(self) -> Any:
        """The day of an inspection; SQLite keeps its UTC as text."""
        if self._database.is_sqlite:
            return func.substr(type_coerce(Inspection.created_at, String), 1, 10)
        return cast(func.timezone("UTC", Inspection.created_at), Date)
