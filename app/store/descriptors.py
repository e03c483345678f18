"""Descriptors of inspections as they are read: which there are, what people said of them, their vectors.

They are written with their inspections (app/store/inspections.py). Letters: n descriptors, d dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16
from sqlalchemy import select

from app.store.database import Database
from app.store.inspections import Filter
from app.store.schema import Descriptor, Inspection, Verdict

CHUNK = 500  # ids of one query


class Known(NamedTuple):
    """An inspection that similar ones are sought among."""

    id: str
    serial: str | None
    station: str | None


class Said(NamedTuple):
    """What the latest review of an inspection says."""

    known: Known
    verdict: Verdict
    kind: str | None


class Descriptors:
    """Every method is one read transaction, or some where its answer is long."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, inspection_id: str) -> Descriptor | None:
        """Of an inspection; None where it was made before there were any."""
        with self._database.read() as session:
            return session.get(Descriptor, inspection_id)

    def flagged(self, bank: str, made: datetime, after: str, limit: int) -> list[Known]:
        """The newest of a bank's inspections since ``made`` that were not accepted, with an id above ``after``."""
        query = (
            select(Inspection.id, Inspection.serial, Inspection.station)
            .where(Inspection.bank == bank, Inspection.decision.in_(("review", "reject")))
            .where(Inspection.id > after, Inspection.created_at >= made)
            .order_by(Inspection.id.desc())
            .limit(limit)
        )
        with self._database.read() as session:
            return [Known(*row) for row in session.execute(query)]

    def reviewed(self, bank: str, made: datetime, limit: int) -> dict[str, Said]:
        """The newest of those that have a verdict, whatever was decided; read from one index."""
        query = (
            select(Inspection.id, Inspection.serial, Inspection.station, Inspection.verdict, Inspection.kind)
            .where(*Filter(bank=bank, reviewed=True, since=made).conditions())
            .order_by(Inspection.created_at.desc())
            .limit(limit)
        )
        with self._database.read() as session:
            rows = session.execute(query)
            found = [
                Said(Known(id, serial, station), verdict, kind)
                for id, serial, station, verdict, kind in rows
                if verdict is not None
            ]
            return {said.known.id: said for said in found}

    def vectors(self, space: str, ids: Sequence[str]) -> Iterator[tuple[str, Float16[np.ndarray, " d"]]]:
        """Those of the space that are stored, in any order."""
        for some in (ids[i : i + CHUNK] for i in range(0, len(ids), CHUNK)):
            query = select(Descriptor.inspection_id, Descriptor.vector)
            query = query.where(Descriptor.inspection_id.in_(some), Descriptor.space == space)
            with self._database.look() as connection:
                for id, vector in connection.execute(query):
                    yield id, np.frombuffer(vector, np.float16)
