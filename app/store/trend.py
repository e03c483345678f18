"""A bank's inspections by hour: decisions, verdicts and quantiles of accepted scores, computed by the database.

A quantile is a nearest rank, the ceil(q n)-th smallest of n scores: exact, a score that was recorded, and the same on
SQLite and PostgreSQL. Hours are UTC's. All that is read is in one index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, case, func, literal, select, type_coerce

from app.store.database import Database
from app.store.inspections import Filter, Outcomes
from app.store.schema import Inspection

MEDIAN, HIGH = 50, 95  # per cent


@dataclass
class Hour:
    """What was inspected in an hour. median, high: of accepted scores, None of none."""

    outcomes: Outcomes = field(default_factory=dict)
    median: float | None = None
    high: float | None = None


def by_hour(database: Database, which: Filter) -> dict[datetime, Hour]:
    """The hours in which anything was inspected, by their beginning."""
    hour = _hour(database)
    kind = hour, Inspection.decision, Inspection.verdict
    counts = select(*kind, func.count()).where(*which.conditions()).group_by(*kind)
    found: dict[datetime, Hour] = {}
    with database.read() as session:
        for start, decision, verdict, count in session.execute(counts):
            found.setdefault(_moment(start), Hour()).outcomes[decision, verdict] = count
        for start, median, high in session.execute(_quantiles(hour, which)):
            at = found.setdefault(_moment(start), Hour())
            at.median, at.high = median, high
    return dict(sorted(found.items()))


def quantiles(database: Database, which: Filter) -> tuple[float | None, float | None]:
    """Median and 95 % score of the accepted among all of a filter; None of none."""
    with database.read() as session:
        found = session.execute(_quantiles(literal(0, Integer), which)).first()
    return (None, None) if found is None else (found[1], found[2])


def stations(database: Database, which: Filter) -> list[str]:
    """Those that inspected, by name."""
    query = select(Inspection.station).where(*which.conditions(), Inspection.station.is_not(None)).distinct()
    with database.read() as session:
        return sorted(name for name in session.scalars(query) if name is not None)


def _quantiles(of: ColumnElement[Any], which: Filter) -> Any:
    """Per group: (group, median, 95 % score) of what was accepted."""
    ranked = (
        select(
            of.label("part"),
            Inspection.score,
            func.row_number().over(partition_by=of, order_by=Inspection.score).label("place"),
            func.count().over(partition_by=of).label("n"),
        )
        .where(*which.conditions(), Inspection.decision == "accept")
        .subquery()
    )

    def at(percent: int) -> ColumnElement[Any]:
        rank = (ranked.c.n * percent + 99) // 100  # ceil of a share, in whole numbers
        return func.max(case((ranked.c.place == rank, ranked.c.score)))

    return select(ranked.c.part, at(MEDIAN), at(HIGH)).group_by(ranked.c.part)


def _hour(database: Database) -> ColumnElement[Any]:
    """The hour of an inspection; SQLite keeps its UTC as text, 2026-11-30 14:05:00.000000."""
    if database.is_sqlite:
        return func.substr(type_coerce(Inspection.created_at, String), 1, 13)
    return func.date_trunc("hour", Inspection.created_at, "UTC")


def _moment(hour: Any) -> datetime:
    if isinstance(hour, str):
        return datetime.strptime(hour, "%Y-%m-%d %H").replace(tzinfo=UTC)
    found: datetime = hour
    return found.astimezone(UTC)


def total(hours: Mapping[datetime, Hour]) -> Outcomes:
    """The outcomes of all hours together."""
    found: Outcomes = {}
    for each in hours.values():
        for kind, count in each.outcomes.items():
            found[kind] = found.get(kind, 0) + count
    return found
