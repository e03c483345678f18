"""The ledger of inspections: appended in batches, read newest first, changed only by review."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from app.store.database import Database, present
from app.store.errors import StaleRevision
from app.store.ids import Clock, shown
from app.store.page import MAX_LIMIT, Page, newest_first
from app.store.schema import Decision, Finding, Inspection, Review, UsedName, Verdict, Version


@dataclass(frozen=True)
class Filter:
    """Which inspections; None leaves a field open. ``since`` is included, ``until`` is not.

    ``banks`` and ``stations`` are all that may be among them.
    """

    bank: str | None = None
    decision: Decision | None = None
    serial: str | None = None
    station: str | None = None
    verdict: Verdict | None = None
    reviewed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    banks: frozenset[str] | None = None
    stations: frozenset[str] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        exact = ("bank", "decision", "serial", "station", "verdict")
        found = [
            getattr(Inspection, name) == value for name in exact if (value := getattr(self, name)) is not None
        ]
        for column, names in ((Inspection.bank, self.banks), (Inspection.station, self.stations)):
            if names is not None:
                found.append(column.in_(sorted(names)))
        if self.reviewed is not None:
            found.append(Inspection.verdict.is_not(None) if self.reviewed else Inspection.verdict.is_(None))
        if self.since is not None:
            found.append(Inspection.created_at >= self.since)
        if self.until is not None:
            found.append(Inspection.created_at < self.until)
        return found


EVERY = Filter()
Outcomes = dict[tuple[Decision, Verdict | None], int]  # how many of each decision and verdict


class Scored(NamedTuple):
    """Of an inspection what thresholds decide on, and what was found."""

    id: str
    score: float
    decision: Decision
    verdict: Verdict | None


class Inspections:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insertion = database.insertion(database.insert(Inspection))
        self.add: Callable[[Sequence[Inspection]], None] = partial(database.append, insertion)
        """Append a batch, whole or not at all; a kept image's bytes must be a blob already."""

    def get(self, id: str) -> Inspection:
        """Raises ``NotFound``."""
        with self._database.read() as session:
            return inspection_found(session.get(Inspection, id), id)

    def some(self, ids: Sequence[str]) -> dict[str, Inspection]:
        """Those of these ids that there are."""
        with self._database.read() as session:
            return {row.id: row for row in session.scalars(select(Inspection).where(Inspection.id.in_(ids)))}

    def page(self, which: Filter = EVERY, *, before: str | None = None, limit: int = 100) -> Page[Inspection]:
        """Inspections, newest first; ``before`` is the cursor of the page before."""
        query = select(Inspection).where(*which.conditions())
        return newest_first(self._database, query, Inspection.id, before, limit)

    def cursor_of_newer(self, which: Filter, first: str, limit: int) -> str | None:
        """The cursor whose page ends right before ``first``; None where fewer than a page are newer."""
        query = select(Inspection.id).where(*which.conditions(), Inspection.id > first)
        with self._database.read() as session:
            return session.scalar(query.order_by(Inspection.id.asc()).offset(limit).limit(1))

    def export(self, which: Filter) -> Iterator[Inspection]:
        """All of them, newest first; holds no transaction while its reader is slow."""
        cursor: str | None = None
        while True:
            page = self.page(which, before=cursor, limit=MAX_LIMIT)
            yield from page.items
            if (cursor := page.next) is None:
                return

    def beside(self, which: Filter, id: str, *, newer: bool) -> Inspection | None:
        """The next inspection of a filter after ``id``, towards the newer or the older ones."""
        further = Inspection.id > id if newer else Inspection.id < id
        order = Inspection.id.asc() if newer else Inspection.id.desc()
        query = select(Inspection).where(*which.conditions(), further).order_by(order).limit(1)
        with self._database.read() as session:
            return session.scalar(query)

    def kept(self, bank: str, limit: int) -> list[Inspection]:
        """Those of a bank whose images were kept: reviewed ones first, each group newest first.

        Those of a deleted bank of the same name are not among them: they show another product.
        """
        before = select(UsedName.last_version).where(UsedName.id == bank).scalar_subquery()
        query = (
            select(Inspection)
            .where(Inspection.bank == bank, Inspection.image_sha256.is_not(None))
            .where(Inspection.version > func.coalesce(before, 0))
            .order_by(Inspection.verdict.is_(None), Inspection.id.desc())
        )
        with self._database.read() as session:
            return [*session.scalars(query.limit(limit))]

    def scored(self, version: Version, limit: int) -> list[Scored]:
        """What a version scored by its digest, newest first."""
        made = Inspection.digests["bank"].as_string() == version.sha256
        query = (
            select(Inspection.id, Inspection.score, Inspection.decision, Inspection.verdict)
            .where(Inspection.bank == version.bank, Inspection.version == version.number, made)
            .order_by(Inspection.id.desc())
        )
        with self._database.read() as session:
            return [Scored(*row) for row in session.execute(query.limit(limit))]

    def outcomes(self, which: Filter) -> Outcomes:
        """How many of each decision and verdict."""
        kind = Inspection.decision, Inspection.verdict
        query = select(*kind, func.count()).where(*which.conditions()).group_by(*kind)
        with self._database.read() as session:
            return {(decision, verdict): count for decision, verdict, count in session.execute(query)}

    def decisions_since(self, since: datetime) -> dict[str, dict[str, int]]:
        """How many of each decision every bank had from then on; by the index over time, whatever the ledger holds."""
        query = (
            select(Inspection.bank, Inspection.decision, func.count())
            .where(Inspection.created_at >= since)
            .group_by(Inspection.bank, Inspection.decision)
        )
        found: dict[str, dict[str, int]] = {}
        with self._database.read() as session:
            for bank, decision, count in session.execute(query):
                found.setdefault(bank, {})[decision] = count
        return found


def inspection_found(inspection: Inspection | None, id: str) -> Inspection:
    """``inspection``, unless there is none."""
    remedy = "List the inspections; retention may have deleted it."
    return present(inspection, "the inspection must be in the ledger", shown(id), remedy)


class Reviews:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(
        self, inspection_id: str, verdict: Finding, *, actor: str, note: str = "", if_match: int | None = None
    ) -> Review:
        """The inspection's next review; ``withdrawn`` leaves it without a verdict.

        ``if_match`` is the latest revision seen, 0 for none.
        Raises ``NotFound``, or ``StaleRevision`` if somebody reviewed it since.
        """
        with self._database.write() as session:
            inspection = session.get(Inspection, inspection_id, with_for_update=True)
            inspection_found(inspection, inspection_id).verdict = None if verdict == "withdrawn" else verdict
            query = select(func.max(Review.revision)).where(Review.inspection_id == inspection_id)
            latest = session.scalar(query) or 0
            _refuse_stale(latest, if_match)
            review = Review(
                inspection_id=inspection_id,
                revision=latest + 1,
                verdict=verdict,
                note=note,
                actor=actor,
                created_at=self._clock.now(),
            )
            session.add(review)
        return review

    def undo(self, inspection_id: str, *, if_match: int, actor: str) -> Review:
        """Back to the review before the one of revision ``if_match``, by a new one; the first is withdrawn.

        Raises ``NotFound``, or ``StaleRevision`` if somebody reviewed it since.
        """
        before = [review for review in self.all(inspection_id) if review.revision < if_match]
        verdict, note = (before[-1].verdict, before[-1].note) if before else ("withdrawn", "")
        return self.add(inspection_id, verdict, actor=actor, note=note, if_match=if_match)

    def all(self, inspection_id: str) -> list[Review]:
        """All reviews of an inspection, oldest first."""
        query = select(Review).where(Review.inspection_id == inspection_id).order_by(Review.revision)
        with self._database.read() as session:
            inspection_found(session.get(Inspection, inspection_id), inspection_id)
            return [*session.scalars(query)]


def _refuse_stale(latest: int, if_match: int | None) -> None:
    if if_match is not None and latest != if_match:
        raise StaleRevision(
            requirement=f"the latest review must still be revision {if_match}",
            received=f"revision {latest}",
            remedy="Read the reviews again, and add yours if it still applies.",
        )
