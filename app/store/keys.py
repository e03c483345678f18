"""API keys: shown once, stored as digests, compared in constant time, replaced with an overlap.

A key reads ``nominal_<id>_<secret>``. The secret has 256 bits of chance, so a plain sha256 is the right
digest: a slow password hash defends guessable secrets, which this is not, and would cost every request
its time. The id is public; it finds the row, so that only one digest is compared, and an unknown id is
compared with a digest nothing has.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.database import Database, present
from app.store.errors import AlreadyExists, IllegalValue, KeyRefused
from app.store.ids import Clock, shown
from app.store.schema import ApiKey, Role

RANK: dict[Role, int] = {"read": 0, "inspect": 1, "admin": 2}
FORM = re.compile(r"nominal_([0-9a-f]{12})_([A-Za-z0-9_-]{40,128})")
NO_DIGEST = "0" * 64


class Keys:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def create(self, name: str, role: Role, *, actor: str, days: float | None = None) -> tuple[str, ApiKey]:
        """(the key's text, which nothing can give again; its row)."""
        text = f"nominal_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
        with self._database.write() as session:
            return text, self._insert(session, text, name, role, actor, days)

    def admit(self, text: str, name: str, role: Role, *, actor: str) -> ApiKey:
        """A key made elsewhere (a secret of the deployment), unless it is known. Raises ``IllegalValue``."""
        key_id, digest = _parts(text) or _illegal()
        with self._database.write() as session:
            known = session.get(ApiKey, key_id)
            if known is None:
                return self._insert(session, text, name, role, actor, None)
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
            _illegal()
        entries = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if any(len(entry) != 3 or entry[0] not in RANK for entry in entries):
            _illegal()
        return [self.admit(text, name, role, actor=actor) for role, name, text in entries]  # type: ignore[arg-type]

    def verify(self, text: str) -> ApiKey:
        """The row of a valid key. Raises ``KeyRefused``, which does not say what was wrong."""
        parts = _parts(text)
        with self._database.read() as session:
            key = session.get(ApiKey, parts[0]) if parts else None
        known = key.secret_sha256 if key else NO_DIGEST
        same = hmac.compare_digest(known, parts[1] if parts else NO_DIGEST[1:])
        if key is None or not same or not self._valid(key):
            raise _refused("Send 'Authorization: Bearer nominal_...' with a key of 'nominal keys create'.")
        return key

    def valid(self, id: str) -> ApiKey:
        """The row of the key with this id, for one who proved to hold it. Raises ``KeyRefused``."""
        with self._database.read() as session:
            key = session.get(ApiKey, id)
        if key is None or not self._valid(key):
            raise _refused("Sign in with a valid key.")
        return key

    def rotate(self, id: str, *, actor: str, overlap_seconds: float) -> tuple[str, ApiKey]:
        """A new key of the same name and role; the old one stays valid for ``overlap_seconds``."""
        text = f"nominal_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
        with self._database.write() as session:
            old = _found(session.get(ApiKey, id, with_for_update=True), id)
            end = self._clock.now() + timedelta(seconds=overlap_seconds)
            old.expires_at = min(old.expires_at or end, end)
            return text, self._insert(session, text, old.name, old.role, actor, None)

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
            return any(self._valid(key) for key in session.scalars(select(ApiKey)))

    def _valid(self, key: ApiKey) -> bool:
        return key.revoked_at is None and (key.expires_at is None or self._clock.now() < key.expires_at)

    def _insert(
        self, session: Session, text: str, name: str, role: Role, actor: str, days: float | None
    ) -> ApiKey:
        key_id, digest = _parts(text) or _illegal()
        now = self._clock.now()
        expires = None if days is None else now + timedelta(days=days)
        key = ApiKey(
            id=key_id, name=name, role=role, secret_sha256=digest, created_by=actor, created_at=now,
            expires_at=expires,
        )  # fmt: skip
        session.add(key)
        record(session, self._clock, actor, "key.create", f"key:{key_id}", name=name, role=role)
        return key


def _parts(text: str) -> tuple[str, str] | None:
    """(id, digest of the secret), or None for text that is not a key."""
    match = FORM.fullmatch(text)
    return (match[1], hashlib.sha256(match[2].encode()).hexdigest()) if match else None


def _refused(remedy: str) -> KeyRefused:
    return KeyRefused(
        "a request needs a valid API key", "none that is known, unexpired and unrevoked", remedy
    )


def _illegal() -> NoReturn:
    raise IllegalValue(
        requirement="an admitted key must read nominal_<12 hex digits>_<40 or more of A-Za-z0-9_->",
        received="something else",
        remedy="Make one with 'nominal keys create'; a keys file holds 'role name key' lines.",
    )


def _found(key: ApiKey | None, id: str) -> ApiKey:
    return present(key, "the API key must exist", shown(id), "List the keys.")
