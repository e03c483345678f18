"""Versions: immutable builds of a bank. Activating one swaps a pointer, rolling back swaps it again."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.banks import (
    Check,
    active_of,
    found,
    locked,
    note_thresholds,
    revise,
    swap_thresholds,
    swapped,
)
from app.store.blobs import touch
from app.store.columns import JsonObject
from app.store.database import Database, present
from app.store.envelopes import activated, unhealthy
from app.store.errors import VersionInUse, VersionUnusable
from app.store.ids import Clock
from app.store.outbox import emit
from app.store.schema import Bank, Version, VersionState


class Versions:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, bank: str, *, sha256: str, size: int, summary: JsonObject, actor: str) -> Version:
        """An imported bank file, whose bytes are a blob already, becomes the bank's next version."""
        with self._database.write() as session:
            version = append(session, self._clock, locked(session, bank), sha256, size, summary)
            record(session, self._clock, actor, "version.import", f"bank:{bank}", number=version.number)
        return version

    def get(self, bank: str, number: int) -> Version:
        """Raises ``NotFound``."""
        with self._database.read() as session:
            return version_found(session.get(Version, (bank, number)), bank, number)

    def active(self, bank: Bank) -> Version | None:
        """What the bank serves; None where it serves nothing, or nothing any more since its row was read."""
        with self._database.read() as session:
            return active_of(session, bank)

    def all(self, bank: str) -> list[Version]:
        """All versions of a bank, newest first."""
        query = select(Version).where(Version.bank == bank).order_by(Version.number.desc())
        with self._database.read() as session:
            found(session.get(Bank, bank), bank)
            return [*session.scalars(query)]

    def activate(
        self, bank: str, number: int, *, actor: str, if_match: int | None = None, check: Check | None = None
    ) -> Bank:
        """Point the bank at a version; ``check`` sees both first, and nobody changes them meanwhile.

        Thresholds by score stay with the version they were set for.
        Raises ``NotFound``, ``VersionUnusable``, ``StaleRevision``, and what ``check`` does.
        """
        with self._database.write() as session:
            row = locked(session, bank, if_match)
            version = version_found(session.get(Version, (bank, number)), bank, number)
            refuse_quarantined(version)
            left = swap_thresholds(session, row, version)
            if check is not None:
                check(row, version)
            before = row.active_version
            point(row, version)
            if left is not None:
                note_thresholds(session, self._clock, row, actor, swapped(left, number))
            revise(row, self._clock)
            emit(session, lambda: activated(row, version, before, actor, self._clock.now()))
            record(
                session, self._clock, actor, "version.activate", f"bank:{bank}", before=before, after=number
            )
        return row

    def quarantine(self, bank: str, number: int, *, reason: str, actor: str) -> Version:
        """Mark a version as not to be served; the pointer stays, so that the bank shows the reason."""
        return self._mark(bank, number, "quarantined", reason[:4000], "version.quarantine", actor)

    def note_unfit(self, bank: str, number: int, *, reason: str, actor: str) -> None:
        """Write down that one server, which the reason is of, cannot serve a version; the others may."""
        with self._database.write() as session:
            row = locked(session, bank)
            version = version_found(session.get(Version, (bank, number)), bank, number)
            revise(row, self._clock)
            if number == row.active_version:
                emit(session, lambda: unhealthy(row, version, reason, self._clock.now()))
            record(session, self._clock, actor, "version.unfit", f"bank:{bank}", number=number, reason=reason)

    def release(self, bank: str, number: int, *, actor: str) -> Version:
        """Take a version out of quarantine, once its cause is gone."""
        return self._mark(bank, number, "ok", None, "version.release", actor)

    def remove(self, bank: str, number: int, *, actor: str) -> None:
        """Delete a version that is not active; its number is not given again."""
        with self._database.write() as session:
            row = locked(session, bank)
            version = version_found(session.get(Version, (bank, number)), bank, number)
            if row.active_version == number:
                raise VersionInUse(
                    requirement="the active version cannot be deleted",
                    received=f"version {number} of {bank}",
                    remedy="Activate another version first.",
                )
            session.delete(version)
            touch(session, self._clock, version.sha256)
            record(session, self._clock, actor, "version.delete", f"bank:{bank}", number=number)

    def _mark(
        self, bank: str, number: int, state: VersionState, reason: str | None, action: str, actor: str
    ) -> Version:
        with self._database.write() as session:
            row = locked(session, bank)
            version = version_found(session.get(Version, (bank, number)), bank, number)
            if (version.state, version.reason) == (state, reason):
                return version  # of several servers that find the same, or of one that tried again
            version.state, version.reason = state, reason
            revise(row, self._clock)
            if state == "quarantined" and number == row.active_version:
                emit(session, lambda: unhealthy(row, version, reason or "", self._clock.now()))
            record(session, self._clock, actor, action, f"bank:{bank}", number=number)
        return version


def append(
    session: Session,
    clock: Clock,
    bank: Bank,
    sha256: str,
    size: int,
    summary: JsonObject,
    job_id: str | None = None,
) -> Version:
    """Add the next version to a bank that this transaction has locked."""
    bank.last_version += 1
    version = Version(
        bank=bank.id,
        number=bank.last_version,
        sha256=sha256,
        bytes=size,
        summary=summary,
        job_id=job_id,
        created_at=clock.now(),
    )
    session.add(version)
    return version


def point(bank: Bank, version: Version) -> None:
    """Make a sound version the one that a locked bank serves."""
    bank.active_version, bank.active_sha256 = version.number, version.sha256
    version.reason = None


def refuse_quarantined(version: Version) -> None:
    if version.state == "quarantined":
        raise quarantined(version)


def quarantined(version: Version) -> VersionUnusable:
    """The refusal of a version that no server may serve."""
    return VersionUnusable(
        requirement="only a sound version can be activated",
        received=f"version {version.number}, quarantined: {version.reason}",
        remedy="Activate another version, or build again.",
    )


def version_found(version: Version | None, bank: str, number: int) -> Version:
    """``version``, unless there is none."""
    remedy = "List the bank's versions, or build it."
    return present(version, f"the bank {bank} must have this version", f"version {number}", remedy)
