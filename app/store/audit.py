"""The audit log: who did what, from where; chained, so that an entry that is changed or removed shows.

Each entry is written in the transaction of the change it describes, as its last statement, under one lock. Its digest
is the sha256 of the digest before and of what it says; the store keeps the last number and digest as a mark. The chain
shows tampering to who cannot be given a forged chain as well: send the entries elsewhere too (``app.store.shipping``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.store.columns import JsonObject
from app.store.database import AT_END, Database
from app.store.errors import AuditBroken
from app.store.ids import Clock, new_id
from app.store.page import Page, newest_first
from app.store.schema import AuditEntry, Mark
from app.store.signals import signal_of

LAST = "audit.last"  # the mark of the last entry: its number and digest
WAITING = "audit"  # in a session: entries of the transaction
START = "0" * 64  # the digest before the first
ADVISORY_LOCK = 0x6175646974  # "audit"
LONGEST_ADDRESS = 64
READ_AT_ONCE = 1000

caller: ContextVar[str | None] = ContextVar("caller", default=None)
"""The address of who asks for what is done now; None on the command line."""


@dataclass(frozen=True)
class Chain:
    """How many entries there are, and the digest of the last one."""

    entries: int
    digest: str


class Audit:
    """Reads and proves the log; ``record`` writes it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def page(
        self, *, target: str | None = None, before: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        """Entries, newest first."""
        query = select(AuditEntry)
        if target is not None:
            query = query.where(AuditEntry.target == target)
        return newest_first(self._database, query, AuditEntry.id, before, limit)

    def note(self, actor: str, action: str, target: str, **detail: Any) -> None:
        """An entry of its own, of what changes nothing in the store: a refusal, a download, a backup."""
        with self._database.write() as session:
            record(session, self._clock, actor, action, target, **detail)

    def verify(self) -> Chain:
        """Follow the chain from first to last. Raises ``AuditBroken`` where an entry was changed or is gone."""
        query = select(AuditEntry).order_by(AuditEntry.number.is_not(None), AuditEntry.number)
        digest, number = START, 0
        query = query.execution_options(yield_per=READ_AT_ONCE)
        with self._database.snapshot() as connection, Session(connection) as session:
            with closing(session.scalars(query)) as entries:
                for number, entry in enumerate(entries, 1):
                    if entry.number != number:
                        raise _broken(f"no entry of number {number}")
                    digest = sealed(digest, entry)
                    if entry.digest != digest:
                        raise _broken(f"another digest of entry {number} than what it says has")
            last = session.get(Mark, LAST)
        if (last.value if last else f"0:{START}") != f"{number}:{digest}":
            raise _broken(f"{number} entries, which do not end where the store ended them")
        return Chain(number, digest)


def record(session: Session, clock: Clock, actor: str, action: str, target: str, **detail: Any) -> None:
    """Note that ``actor`` did ``action`` (``bank.create``) to ``target`` (``bank:screws``)."""
    entry = AuditEntry(
        id=new_id(), actor=actor, action=action, target=target, detail=detail, created_at=clock.now(),
        address=None if (address := caller.get()) is None else address[:LONGEST_ADDRESS],
    )  # fmt: skip
    signal_of(session, action)
    if WAITING not in session.info:
        session.info[WAITING] = []
        session.info.setdefault(AT_END, []).append(lambda: _append(session, clock))
    session.info[WAITING].append(entry)


def sealed(before: str, entry: AuditEntry) -> str:
    """The digest of an entry that follows one of the digest ``before``. Its form never changes: old entries have it."""
    said = [
        before, entry.number, entry.id, entry.created_at.isoformat(), entry.actor, entry.address, entry.action,
        entry.target, _plain(entry.detail),
    ]  # fmt: skip
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def as_json(entry: AuditEntry) -> JsonObject:
    """An entry as it is sent elsewhere."""
    names = "number", "id", "actor", "address", "action", "target", "detail", "digest"
    return {"created_at": entry.created_at.isoformat(), **{name: getattr(entry, name) for name in names}}


def _append(session: Session, clock: Clock) -> Callable[[], None]:
    """Chain what waits to the last entry; who came first is done before the next begins."""
    entries: Sequence[AuditEntry] = session.info.pop(WAITING)
    database: Database = session.info["database"]
    session.flush()
    if not database.is_sqlite:
        session.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
    last = session.get(Mark, LAST, populate_existing=True)
    number, digest = last.value.split(":") if last else ("0", START)
    for entry in entries:
        entry.number = int(number) + 1
        digest, number = sealed(digest, entry), str(entry.number)
        entry.digest = digest
        session.add(entry)
    if last is None:
        last = Mark(name=LAST, value="", set_at=clock.now())
        session.add(last)
    last.value, last.set_at = f"{number}:{digest}", clock.now()
    return lambda: database.audited(entries) if database.audited else None


def _plain(value: Any) -> Any:
    """JSON as either database gives it back: PostgreSQL writes a large whole number without its point."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _broken(received: str) -> AuditBroken:
    return AuditBroken(
        requirement="each entry of the audit log must follow from the one before it, up to the last",
        received=received,
        remedy="Compare it with the entries that were sent elsewhere, or with a backup; find out who had the database.",
    )
