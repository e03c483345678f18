"""Which versions and thresholds decided a span of inspections, and how often each did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.store.database import Database
from app.store.inspections import Filter
from app.store.schema import Inspection, Job, Version
from core.judging.scoring import UNLOCATED

MOST = 20  # of one answer, those that decided most


@dataclass(frozen=True)
class Decider:
    """A version with its thresholds. made, by: the version's own time and actor; None of one that is gone."""

    version: int
    review: float
    reject: float
    inspections: int
    first: datetime
    last: datetime
    made: datetime | None
    by: str | None


def deciders(database: Database, which: Filter) -> list[Decider]:
    """Those of a filter that names a bank, the most frequent first."""
    decided = Inspection.version, Inspection.review_threshold, Inspection.reject_threshold
    count, made = func.count(), Inspection.created_at
    query = (
        select(*decided, count, func.min(made), func.max(made))
        .where(*which.conditions())
        .group_by(*decided)
        .order_by(count.desc())
        .limit(MOST)
    )
    with database.read() as session:
        found = [(*row,) for row in session.execute(query)]
        known: dict[int, tuple[datetime, str | None]] = {
            number: (at, by)
            for number, at, by in session.execute(
                select(Version.number, Version.created_at, Job.actor)
                .outerjoin(Job, Job.id == Version.job_id)
                .where(Version.bank == which.bank, Version.number.in_({row[0] for row in found}))
            )
        }
    return [
        Decider(version, review, reject, inspections, first, last, *known.get(version, (None, None)))
        for version, review, reject, inspections, first, last in found
    ]


def unlocated(database: Database, which: Filter) -> int:
    """How many showed no part that was located; all that is read is in one index."""
    lost = Inspection.decision == "reject", Inspection.score >= UNLOCATED
    with database.read() as session:
        return session.scalar(select(func.count()).where(*which.conditions(), *lost)) or 0
