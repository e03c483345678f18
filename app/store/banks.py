"""Banks: created, changed under their revision (If-Match), deleted; the pointer to the active version."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypedDict, Unpack

from sqlalchemy import bindparam, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, defer

from app.store.audit import record
from app.store.columns import JsonObject
from app.store.database import Database, present
from app.store.envelopes import thresholds
from app.store.errors import AlreadyExists, BuildAlreadyRunning, StaleRevision
from app.store.ids import Clock, check_slug, new_id, shown
from app.store.outbox import emit
from app.store.page import Page, page_of
from app.store.schema import ACTIVE_STATES, Bank, Job, JobKind, Priority, ThresholdChange, UsedName, Version

BY_SCORE = ("review_threshold", "reject_threshold")
THRESHOLDS = (*BY_SCORE, "target_false_reject", "target_review")
ROW = select(Bank.__table__).where(Bank.id == bindparam("id"))


class BankOptions(TypedDict, total=False):
    """What a bank may have from the start."""

    pinned: bool
    priority: Priority | None
    share: float | None
    review_threshold: float | None
    reject_threshold: float | None
    target_false_reject: float | None
    target_review: float | None


class BankChange(BankOptions, total=False):
    """What may change of a bank; what is left out stays."""

    title: str
    config: JsonObject


Check = Callable[[Bank, Version | None], None]
"""Raises what a bank may not be with a version, inside the transaction that would make it so."""


class Banks:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._by_id = database.compiled(ROW)
        self._read: dict[str, tuple[tuple[Any, ...], Bank]] = {}

    def create(
        self,
        id: str,
        *,
        title: str,
        config: JsonObject,
        actor: str,
        note: str | None = None,
        **options: Unpack[BankOptions],
    ) -> Bank:
        """``note`` says why its thresholds are as given; numbers go on from those of a deleted bank of this name.

        Raises ``IllegalId`` or ``AlreadyExists``.
        """
        now = self._clock.now()
        bank = Bank(id=check_slug(id), title=title, config=config, created_at=now, updated_at=now)
        for name, value in options.items():
            setattr(bank, name, value)
        try:
            with self._database.write() as session:
                session.add(bank)
                session.flush()  # waits for who deletes a bank of this name, before its numbers are looked up
                _go_on(session, bank)
                record(session, self._clock, actor, "bank.create", f"bank:{id}")
                if set(options) & set(THRESHOLDS):
                    note_thresholds(session, self._clock, bank, actor, note)
        except IntegrityError:
            raise AlreadyExists("a bank's id must be free", id, "Choose another, or use that bank.") from None
        return bank

    def get(self, id: str) -> Bank:
        """Raises ``NotFound``."""
        with self._database.look() as connection:
            row = connection.execute(ROW, {"id": id}).one_or_none()
        return found(None if row is None else Bank(**row._mapping), id)

    def current(self, id: str) -> Bank:
        """``get`` for every inspection, only to be read: the object of the call before while its row is the same.

        Raises ``NotFound``.
        """
        known = self._read.get(id)
        if known is not None and self._database.driver_row(self._by_id, id=id) == known[0]:
            return known[1]
        self._read.pop(id, None)
        self.get(id)  # whether there is one
        row = self._database.driver_row(self._by_id, id=id)
        bank = self.get(id)  # no older than the row: of two changes in between neither is missed
        if row is not None:
            self._read[id] = row, bank
        return bank

    def page(
        self, *, after: str | None = None, limit: int = 100, among: Collection[str] | None = None
    ) -> Page[Bank]:
        """Banks by id; ``after`` is the cursor of the page before, ``among`` the only ones that may be there."""
        query = select(Bank).order_by(Bank.id)
        if among is not None:
            query = query.where(Bank.id.in_(among))
        if after is not None:
            query = query.where(Bank.id > after)
        return page_of(self._database, query, limit, lambda bank: bank.id)

    def with_versions(self) -> list[tuple[Bank, Version | None]]:
        """Every bank with the version that it serves, without config and summary; one query, however many there are."""
        serves = (Version.bank == Bank.id) & (Version.number == Bank.active_version)
        query = select(Bank, Version).outerjoin(Version, serves).order_by(Bank.id)
        with self._database.read() as session:
            found = session.execute(query.options(defer(Bank.config), defer(Version.summary)))
            return [(bank, version) for bank, version in found]

    def update(
        self,
        id: str,
        *,
        actor: str,
        if_match: int | None = None,
        note: str | None = None,
        check: Check | None = None,
        **change: Unpack[BankChange],
    ) -> Bank:
        """``note`` says why thresholds change; ``check`` sees the changed bank and its active version first.

        Raises ``NotFound``, ``StaleRevision`` unless the bank still has revision ``if_match``, and what ``check`` does.
        """
        with self._database.write() as session:
            bank = locked(session, id, if_match)
            before = {name: getattr(bank, name) for name in change}
            for name, value in change.items():
                setattr(bank, name, value)
            if check is not None:
                check(bank, active_of(session, bank))
            revise(bank, self._clock)
            record(
                session, self._clock, actor, "bank.update", f"bank:{id}", before=before, after=dict(change)
            )
            if set(change) & set(THRESHOLDS):
                note_thresholds(session, self._clock, bank, actor, note)
        return bank

    def delete(self, id: str, *, actor: str, if_match: int | None = None) -> None:
        """With its images, versions and jobs; inspections and used numbers stay. Raises ``BuildAlreadyRunning``."""
        with self._database.write() as session:
            bank = locked(session, id, if_match)
            if session.scalar(select(exists().where(Job.bank == id, Job.state.in_(ACTIVE_STATES)))):
                raise build_running(id, "Cancel it first.")
            session.delete(bank)
            session.merge(UsedName(id=id, last_version=bank.last_version, revision=bank.revision))
            record(session, self._clock, actor, "bank.delete", f"bank:{id}", title=bank.title)

    def threshold_changes(self, id: str, *, limit: int = 100) -> list[ThresholdChange]:
        """What the bank's thresholds became, newest first."""
        query = select(ThresholdChange).where(ThresholdChange.bank == id).order_by(ThresholdChange.id.desc())
        with self._database.read() as session:
            found(session.get(Bank, id), id)
            return [*session.scalars(query.limit(limit))]


def note_thresholds(session: Session, clock: Clock, bank: Bank, actor: str, note: str | None) -> None:
    """What a locked bank's thresholds have become, for their history."""
    values: dict[str, Any] = {name: getattr(bank, name) for name in THRESHOLDS}
    change = ThresholdChange(
        id=new_id(), bank=bank.id, actor=actor, created_at=clock.now(), note=note, **values
    )
    session.add(change)
    emit(session, lambda: thresholds(change))


def swap_thresholds(session: Session, bank: Bank, version: Version) -> int | None:
    """Leave a locked bank's thresholds by score with its active version, and take those of the one to be activated.

    Returns the number of the version that they were left with; None where nothing has changed.
    """
    before = active_of(session, bank)
    if before is None or before.number == version.number:
        return None
    changed = any(getattr(bank, name) != getattr(version, name) for name in BY_SCORE)
    for name in BY_SCORE:
        setattr(before, name, getattr(bank, name))
        setattr(bank, name, getattr(version, name))
    return before.number if changed else None


def swapped(before: int, now: int) -> str:
    """Says in the history why thresholds changed with a version."""
    return (
        f"Version {now} is active. Thresholds by score stay with version {before}: scores are not comparable."
    )


def _go_on(session: Session, bank: Bank) -> None:
    """Give a new bank the numbers after those of a deleted one of its name."""
    used = session.get(UsedName, bank.id)
    if used is not None:
        bank.last_version, bank.revision = used.last_version, used.revision + 1


def active_of(session: Session, bank: Bank) -> Version | None:
    """The version that the bank serves."""
    return session.get(Version, (bank.id, bank.active_version)) if bank.active_version else None


def found(bank: Bank | None, id: str) -> Bank:
    """``bank``, unless there is none."""
    return present(bank, "the bank must exist", shown(id), "List the banks, or create it.")


def locked(session: Session, id: str, if_match: int | None = None) -> Bank:
    """The bank, held against other writers until the transaction ends, at revision ``if_match`` if given."""
    bank = found(session.get(Bank, id, with_for_update=True), id)
    if if_match is None or bank.revision == if_match:
        return bank
    raise StaleRevision(
        requirement=f"the bank must still have revision {if_match}",
        received=f"revision {bank.revision}",
        remedy="Read the bank again, and repeat the change if it still applies.",
    )


def held(session: Session, id: str) -> None:
    """Raises ``NotFound``; else the bank cannot be deleted until the transaction ends."""
    query = select(Bank).where(Bank.id == id).with_for_update(read=True, key_share=True)
    found(session.scalar(query), id)


def revise(bank: Bank, clock: Clock) -> None:
    """Mark the bank changed, so that its ETag does."""
    bank.revision += 1
    bank.updated_at = clock.now()


def build_running(id: str, remedy: str, kind: JobKind | None = None) -> BuildAlreadyRunning:
    requirement = f"a bank may have one {kind or 'job'} queued or running"
    return BuildAlreadyRunning(requirement, f"one for the bank {id}", remedy)
