"""What screenings of nominal sets found, each with the digest of the set that it looked over.

Kept are the newest of a bank and those of sets that a version was built from: their summaries hold the same digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.banks import found
from app.store.blobs import touch
from app.store.database import Database
from app.store.ids import Clock
from app.store.schema import Bank, Image, Job, Screening, Version

SET = "nominal_set"  # in a version's summary


class Screenings:
    """Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, bank: str) -> Screening | None:
        """The newest of a bank. Raises ``NotFound`` for the bank."""
        query = select(Screening).where(Screening.bank == bank).order_by(Screening.id.desc()).limit(1)
        with self._database.read() as session:
            found(session.get(Bank, bank), bank)
            return session.scalar(query)

    def of_version(self, version: Version) -> Screening | None:
        """The newest of the set that a version was built from."""
        query = select(Screening).where(
            Screening.bank == version.bank, Screening.set_sha256 == version.summary.get(SET)
        )
        with self._database.read() as session:
            return session.scalar(query.order_by(Screening.id.desc()).limit(1))

    def present_set(self, bank: str) -> str:
        """The digest of the nominal set as it is now."""
        with self._database.read() as session:
            return set_digest(session.scalars(select(Image.sha256).where(Image.bank == bank)))


def set_digest(images: Iterable[str]) -> str:
    """Of a nominal set by its images' sha256, in any order."""
    return hashlib.sha256("\n".join(sorted(images)).encode()).hexdigest()


def keep(session: Session, clock: Clock, job: Job, sha256: str, set_sha256: str) -> None:
    """The report of a job that this transaction has locked takes the place of those that no version needs."""
    summaries = session.scalars(select(Version.summary).where(Version.bank == job.bank))
    needed = {summary.get(SET) for summary in summaries} - {set_sha256}
    for old in session.scalars(select(Screening).where(Screening.bank == job.bank)):
        if old.set_sha256 not in needed:
            session.delete(old)
            touch(session, clock, old.sha256)
    session.add(
        Screening(id=job.id, bank=job.bank, sha256=sha256, set_sha256=set_sha256, created_at=clock.now())
    )
