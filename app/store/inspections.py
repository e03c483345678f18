"""The ledger of inspections: appended in batches, read newest first, changed only by review.

Each comes with its descriptor, by which similar ones are found, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from app.store.database import Database, present
from app.store.ids import shown
from app.store.page import MAX_LIMIT, Page, newest_first
from app.store.schema import Decision, Descriptor, Inspection, Origin, UsedName, Verdict, Version


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
    kind: str | None = None
    reviewed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    banks: frozenset[str] | None = None
    stations: frozenset[str] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        exact = ("bank", "decision", "serial", "station", "verdict", "kind")
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
        self._insertions = [
            database.insertion(database.insert(table)) for table in (Inspection, Descriptor, Origin)
        ]

    def add(
        self,
        rows: Sequence[Inspection],
        descriptors: Sequence[Descriptor] = (),
        origins: Sequence[Origin] = (),
    ) -> None:
        """Append a batch, whole or not at all; a kept image's bytes must be a blob already."""
        outbox = self._database.outbox
        late = None if outbox is None else partial(outbox.of_inspections, rows)
        added = zip(self._insertions, (rows, descriptors, origins), strict=True)
        self._database.append(*added, late=late)

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

    def scored(self, version: Version, limit: int, verdicts: Sequence[Verdict] = ()) -> list[Scored]:
        """What a version scored by its digest, newest first; only with one of ``verdicts`` where there are any."""
        made = Inspection.digests["bank"].as_string() == version.sha256
        query = (
            select(Inspection.id, Inspection.score, Inspection.decision, Inspection.verdict)
            .where(Inspection.bank == version.bank, Inspection.version == version.number, made)
            .order_by(Inspection.id.desc())
        )
        if verdicts:
            query = query.where(Inspection.verdict.in_(verdicts))
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
