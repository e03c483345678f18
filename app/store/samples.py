"""Of the images of accepted parts a bounded sample: those nearest to the threshold, and some at random.

At random means those with the lowest lots, which follow from the inspections' ids (bottom-k sample: Cohen and Kaplan,
PODC 2007): any server and any sweep draws the same ones, and every accepted part is as likely as another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import NamedTuple

from sqlalchemy import select, update

from app.store.blobs import touch
from app.store.database import Database
from app.store.ids import Clock
from app.store.schema import Blob, Inspection

CHUNK = 500  # rows a transaction changes at most, so that inspections are not kept waiting
SAMPLED = (
    Inspection.image_sha256.is_not(None),
    Inspection.decision == "accept",
    Inspection.verdict.is_(None),
)
"""What may be let go: the image of an accepted part that nobody has reviewed."""


@dataclass(frozen=True)
class SampleRules:
    """count: images per version, half of them nearest to the threshold. bytes: of one bank, newest versions first."""

    count: int
    bytes: int

    @property
    def near(self) -> int:
        """How many are those nearest to the threshold."""
        return self.count // 2

    @property
    def random(self) -> int:
        """How many are drawn by lot."""
        return self.count - self.near


def lot(id: str) -> float:
    """Uniform in [0, 1), the same for an inspection for ever."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8]) / 2.0**64


def nearness(score: float, threshold: float) -> float:
    """How near an accepted score comes to the threshold: 1 at it, less below."""
    return score / threshold if threshold > 0 else 0.0


class _Kept(NamedTuple):
    id: str
    score: float
    review_threshold: float
    bytes: int


class Samples:
    """Lets go of the images beyond the rules; None keeps all."""

    def __init__(self, database: Database, clock: Clock, rules: SampleRules | None) -> None:
        self._database, self._clock, self._rules = database, clock, rules

    def sweep(self) -> int:
        """How many images were let go; their bytes go with the next collection of blobs."""
        if self._rules is None:
            return 0
        released = 0
        for bank in self._banks():
            gone = self._beyond(bank)
            released += sum(self._release(gone[i : i + CHUNK]) for i in range(0, len(gone), CHUNK))
        return released

    def _banks(self) -> list[str]:
        with self._database.read() as session:
            return [*session.scalars(select(Inspection.bank).where(*SAMPLED).distinct())]

    def _beyond(self, bank: str) -> list[str]:
        """Ids of the bank's inspections whose images are too many."""
        assert self._rules is not None
        query = select(Inspection.version).where(*SAMPLED, Inspection.bank == bank).distinct()
        with self._database.read() as session:
            versions = sorted(session.scalars(query), reverse=True)
        room = self._rules.bytes
        gone: list[str] = []
        for version in versions:
            rows = self._rows(bank, version)
            kept = set()
            for row in chosen(rows, self._rules):
                room -= row.bytes
                if room < 0:
                    break
                kept.add(row.id)
            gone += [row.id for row in rows if row.id not in kept]
        return gone

    def _rows(self, bank: str, version: int) -> list[_Kept]:
        query = (
            select(Inspection.id, Inspection.score, Inspection.review_threshold, Blob.bytes)
            .join(Blob, Blob.sha256 == Inspection.image_sha256)
            .where(*SAMPLED, Inspection.bank == bank, Inspection.version == version)
        )
        with self._database.read() as session:
            return [_Kept(*row) for row in session.execute(query)]

    def _release(self, ids: Iterable[str]) -> int:
        which = Inspection.id.in_([*ids]), *SAMPLED
        with self._database.write() as session:
            images = session.scalars(select(Inspection.image_sha256).where(*which)).all()
            session.execute(update(Inspection).where(*which).values(image_sha256=None))
            touch(session, self._clock, *(sha256 for sha256 in images if sha256))
        return len(images)


def chosen(rows: list[_Kept], rules: SampleRules) -> Iterator[_Kept]:
    """Those to keep, one nearest to the threshold and one by lot in turn, the first choices first."""
    near = sorted(rows, key=lambda row: (nearness(row.score, row.review_threshold), row.id))[::-1][
        : rules.near
    ]
    others = set(rows) - set(near)
    drawn = sorted(others, key=lambda row: lot(row.id))[: rules.random]
    return (row for row in chain.from_iterable(zip_longest(near, drawn)) if row is not None)
