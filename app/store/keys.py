"""API keys: shown once, stored as digests, compared in constant time, replaced with an overlap, limited in scope.

That a key existed is a mark of the store, whatever becomes of the keys: only ``open`` takes it away.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.database import AT_END, Database, present
from app.store.errors import AlreadyExists, IllegalValue, KeyConflict, KeyRefused
from app.store.ids import Clock, shown
from app.store.key_limits import NO_LIMITS, KeyLimits
from app.store.key_text import illegal, new_text, parts_of
from app.store.schema import ApiKey, Mark, Role
from app.store.scope import EVERYTHING, Scope
from app.store.timekeeping import Timekeeper

RANK: dict[Role, int] = {"read": 0, "inspect": 1, "admin": 2}
NO_DIGEST = "0" * 64
CLOSED = "keys.closed"  # the mark of a store that had a key


class Keys:
    """Every method is one transaction, durable once it returns. ``most_days`` is the greatest lifetime of a new key."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        time: Timekeeper,
        most_days: float | None = None,
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        """kept: is called once a key is kept (app/store/continuity.py)."""
        self._database, self._clock, self._time = database, clock, time
        self._most_days, self._kept = most_days, kept

    def create(
        self,
        name: str,
        role: Role,
        *,
        actor: str,
        days: float | None = None,
        scope: Scope = EVERYTHING,
        limits: KeyLimits = NO_LIMITS,
    ) -> tuple[str, ApiKey]:
        """(the key's text, which nothing can give again; its row).

        Without ``days`` it lasts as long as it may. Raises ``IllegalValue`` where it would last longer.
        """
        text = new_text()
        with self._database.write() as session:
            ends = self._end(session, days)
            key = self._insert(session, text, name, role, actor, ends, scope)
            key.limits = limits.document()
            self._note_created(session, key, actor)
            return text, key

    def admit(self, text: str, name: str, role: Role, *, actor: str) -> ApiKey:
        """A key made elsewhere (a secret of the deployment), unless it is known. Raises ``IllegalValue``."""
        key_id, digest = parts_of(text) or illegal()
        with self._database.write() as session:
            known = session.get(ApiKey, key_id)
            if known is None:
                key = self._insert(session, text, name, role, actor, self._end(session, None), EVERYTHING)
                self._note_created(session, key, actor)
                return key
            if hmac.compare_digest(known.secret_sha256, digest) and known.role == role:
                return known
        raise AlreadyExists(
            requirement="an admitted key must keep its secret and role",
            received=f"the id {key_id} with others",
            remedy="Give the new key another id.",
        )

    def admit_file(self, path: Path, *, actor: str) -> list[ApiKey]:
        """Every key of a file with one ``role name key`` a line; '#' starts a comment."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            illegal()
        entries = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if any(len(entry) != 3 or entry[0] not in RANK for entry in entries):
            illegal()
        return [self.admit(text, name, role, actor=actor) for role, name, text in entries]  # type: ignore[arg-type]

    def verify(self, text: str) -> ApiKey:
        """The row of a valid key. Raises ``KeyRefused``, which does not say what was wrong."""
        parts = parts_of(text)
        with self._database.read() as session:
            key = session.get(ApiKey, parts[0]) if parts else None
            now = self._time.latest(session)
        known = key.secret_sha256 if key else NO_DIGEST
        same = hmac.compare_digest(known, parts[1] if parts else NO_DIGEST[1:])
        if key is None or not same or not _valid(key, now):
            raise _refused("Send 'Authorization: Bearer nominal_...' with a key of 'nominal keys create'.")
        return key

    def valid(self, id: str) -> ApiKey:
        """The row of the key with this id, for one who proved to hold it. Raises ``KeyRefused``."""
        with self._database.read() as session:
            key, now = session.get(ApiKey, id), self._time.latest(session)
        if key is None or not _valid(key, now):
            raise _refused("Sign in with a valid key.")
        return key

    def rotate(self, id: str, *, actor: str, overlap_seconds: float) -> tuple[str, ApiKey]:
        """A new key of the same name, role, scope and end; the old one stays valid for ``overlap_seconds``.

        Raises ``NotFound``, or ``KeyConflict`` for a key that was revoked or has expired.
        """
        text = new_text()
        with self._database.write() as session:
            old = _found(session.get(ApiKey, id, with_for_update=True), id)
            now = self._time.latest(session)
            if not _valid(old, now):
                raise KeyConflict(
                    requirement="only a valid key can be replaced",
                    received="a key that was revoked" if old.revoked_at else "a key that has expired",
                    remedy="Create a new key.",
                )
            ends = old.expires_at or self._end(session, None)
            overlap = now + timedelta(seconds=overlap_seconds)
            old.expires_at = min(old.expires_at or overlap, overlap)
            scope = Scope.of(old.banks, old.stations)
            new = self._insert(session, text, old.name, old.role, actor, ends, scope)
            new.limits = old.limits
            detail = {"name": new.name, "role": new.role, "overlap_seconds": overlap_seconds}
            record(session, self._clock, actor, "key.rotate", f"key:{id}", successor=new.id, **detail)
            return text, new

    def limit(self, id: str, change: Mapping[str, object], *, actor: str) -> ApiKey:
        """Give a key other limits: what ``change`` leaves out stays, None takes one back.

        Raises ``NotFound``, or ``IllegalValue`` for what no key may have.
        """
        with self._database.write() as session:
            key = _found(session.get(ApiKey, id, with_for_update=True), id)
            before, key.limits = key.limits, KeyLimits.of(key.limits).changed(change).document()
            said = {"name": key.name, "before": before, "after": key.limits}
            record(session, self._clock, actor, "key.limit", f"key:{id}", **said)
        return key

    def revoke(self, id: str, *, actor: str) -> ApiKey:
        """From now on refused; harmless when revoked already."""
        with self._database.write() as session:
            key = _found(session.get(ApiKey, id, with_for_update=True), id)
            key.revoked_at = key.revoked_at or self._clock.now()
            record(session, self._clock, actor, "key.revoke", f"key:{id}", name=key.name)
        return key

    def get(self, id: str) -> ApiKey:
        """Valid or not. Raises ``NotFound``."""
        with self._database.read() as session:
            return _found(session.get(ApiKey, id), id)

    def all(self) -> list[ApiKey]:
        """All keys, oldest first, revoked ones too."""
        with self._database.read() as session:
            return [*session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id))]

    def any_valid(self) -> bool:
        """Whether any key is valid: without one the service stays on loopback."""
        with self._database.read() as session:
            return (
                session.scalar(select(ApiKey.id).where(_is_valid(self._time.latest(session))).limit(1))
                is not None
            )

    def needed(self) -> bool:
        """Whether every request needs a key: since the store's first one, until ``open``."""
        with self._database.read() as session:
            return session.get(Mark, CLOSED) is not None

    def open(self, *, actor: str) -> None:
        """Let this machine in without a key again, until the next key is made. Harmless where none was ever made.

        Raises ``KeyConflict`` while a key is valid.
        """
        with self._database.write() as session:
            valid = session.scalar(
                select(func.count()).select_from(ApiKey).where(_is_valid(self._time.latest(session)))
            )
            if valid:
                raise KeyConflict(
                    requirement="a store is opened to calls without keys only while no key is valid",
                    received=f"{valid} valid keys",
                    remedy="Use one of them, or revoke them first: 'nominal keys list' shows them.",
                )
            if (closed := session.get(Mark, CLOSED)) is not None:
                session.delete(closed)
                record(session, self._clock, actor, "keys.open", "keys")

    def _end(self, session: Session, days: float | None) -> datetime | None:
        """When a key made now ends. Raises ``IllegalValue`` past the greatest lifetime."""
        most = self._most_days
        if days is not None and most is not None and days > most:
            raise IllegalValue(
                requirement=f"a new key may be valid for at most {most:g} days here",
                received=f"{days:g} days",
                remedy="Ask for fewer days, or raise NOMINAL_KEY_MAX_DAYS.",
            )
        lasts = most if days is None else days
        return None if lasts is None else self._time.latest(session) + timedelta(days=lasts)

    def _insert(
        self,
        session: Session,
        text: str,
        name: str,
        role: Role,
        actor: str,
        ends: datetime | None,
        scope: Scope,
    ) -> ApiKey:
        key_id, digest = parts_of(text) or illegal()
        now = self._clock.now()
        key = ApiKey(
            id=key_id, name=name, role=role, secret_sha256=digest, created_by=actor, created_at=now,
            expires_at=ends, banks=_listed(scope.banks), stations=_listed(scope.stations),
        )  # fmt: skip
        session.add(key)
        session.info.setdefault(AT_END, []).append(lambda: self._kept)
        mark = self._database.insert(Mark).values(name=CLOSED, value=key_id, set_at=now)
        session.execute(mark.on_conflict_do_nothing())
        return key

    def _note_created(self, session: Session, key: ApiKey, actor: str) -> None:
        ends = None if key.expires_at is None else key.expires_at.isoformat()
        said = {"banks": key.banks, "stations": key.stations, "expires_at": ends, "limits": key.limits}
        limits = {name: value for name, value in said.items() if value is not None}
        record(
            session, self._clock, actor, "key.create", f"key:{key.id}", name=key.name, role=key.role, **limits
        )


def _valid(key: ApiKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def _is_valid(now: datetime) -> ColumnElement[bool]:
    """``_valid`` as SQL."""
    lasts = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    return ApiKey.revoked_at.is_(None) & lasts


def _listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _refused(remedy: str) -> KeyRefused:
    return KeyRefused(
        "a request needs a valid API key", "none that is known, unexpired and unrevoked", remedy
    )


def _found(key: ApiKey | None, id: str) -> ApiKey:
    return present(key, "the API key must exist", shown(id), "List the keys.")
