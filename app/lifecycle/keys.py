"""API keys: who holds one, made, replaced with an overlap, revoked; a change counts at once on this server."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.store.keys import Keys
from app.store.schema import ApiKey, Role

BELIEVED_SECONDS = 2.0
REMEMBERED = 1024  # keys
LOCAL = "local"


@dataclass(frozen=True)
class Actor:
    """Who calls: a key's id, or ``local`` for this machine without keys."""

    id: str
    role: Role


class Admission:
    """Verifies keys, remembering the valid ones for ``BELIEVED_SECONDS`` by the digest of their text."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys, self._clock = keys, clock
        self._known: dict[bytes, tuple[float, Actor]] = {}
        self._any_valid: tuple[float, bool] | None = None

    def remembered(self, text: str) -> Actor | None:
        """Who holds this key, if it was verified a moment ago."""
        known = self._known.get(_digest(text))
        return known[1] if known is not None and self._clock() < known[0] else None

    def verify(self, text: str) -> Actor:
        """Who holds this key, by the database. Raises ``KeyRefused``."""
        key = self._keys.verify(text)
        return self._remember(_digest(text), Actor(key.id, key.role))

    def holder(self, id: str) -> Actor:
        """Who signed in with the key of this id, which must still be valid; by the database. Raises ``KeyRefused``."""
        known = self._known.get(id.encode())
        if known is not None and self._clock() < known[0]:
            return known[1]
        key = self._keys.valid(id)
        return self._remember(id.encode(), Actor(key.id, key.role))

    def needed(self) -> bool | None:
        """Whether any key is valid, if that was looked up a moment ago."""
        if self._any_valid is None or self._clock() >= self._any_valid[0]:
            return None
        return self._any_valid[1]

    def look_up_needed(self) -> bool:
        """Whether any key is valid, by the database."""
        valid = self._keys.any_valid()
        self._any_valid = self._clock() + BELIEVED_SECONDS, valid
        return valid

    def forget(self) -> None:
        """A key has changed: believe nothing."""
        self._known.clear()
        self._any_valid = None

    def _remember(self, name: bytes, actor: Actor) -> Actor:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[name] = self._clock() + BELIEVED_SECONDS, actor
        return actor

    # A key that changes is forgotten

    def create(self, name: str, role: Role, days: float | None, actor: str) -> tuple[str, ApiKey]:
        """(the key's text, given this once; its row)."""
        made = self._keys.create(name, role, actor=actor, days=days)
        self.forget()
        return made

    def rotate(self, id: str, overlap_seconds: float, actor: str) -> tuple[str, ApiKey]:
        """A new key of the same name and role; the old one is valid for the overlap. Raises NotFound."""
        made = self._keys.rotate(id, actor=actor, overlap_seconds=overlap_seconds)
        self.forget()
        return made

    def revoke(self, id: str, actor: str) -> ApiKey:
        """Refused from now on. Raises NotFound."""
        key = self._keys.revoke(id, actor=actor)
        self.forget()
        return key


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
