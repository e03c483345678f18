"""Who calls: the holder of an API key, or a person who signed in; a change counts at once on this server."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cachetools import TTLCache

from app.errors import RoleTooLow
from app.inspection.lanes import NO_RULES, Rules
from app.lifecycle.trail import Trail
from app.store.errors import KeyRefused, StoreError
from app.store.key_limits import NO_LIMITS, KeyLimits
from app.store.keys import RANK, Keys
from app.store.people import PREFIX, People, ended
from app.store.schema import ApiKey, Person, Role
from app.store.scope import EVERYTHING, Scope
from app.store.sessions import Sessions

BELIEVED_SECONDS = 2.0
REMEMBERED = 1024  # keys
LOCAL = "local"
ANY = "any"


@dataclass(frozen=True)
class Actor:
    """Who calls: a key's or a person's id, or ``local`` for this machine without keys. name: what people call them.

    scope: the banks and stations that the key is for. rules: its priority and share. quota: what it may ask for.
    """

    id: str
    role: Role
    name: str = field(default="", compare=False)
    scope: Scope = EVERYTHING
    rules: Rules = NO_RULES
    quota: KeyLimits = NO_LIMITS

    @classmethod
    def of(cls, key: ApiKey) -> Actor:
        """Who holds this key."""
        limits = KeyLimits.of(key.limits)
        scope = Scope.of(key.banks, key.stations)
        return cls(key.id, key.role, key.name, scope, Rules(limits.priority, limits.share), limits)

    @property
    def is_person(self) -> bool:
        """Whether it is somebody whom the OpenID provider vouches for."""
        return self.id.startswith(PREFIX)


class Admission:
    """Verifies keys, remembering the valid ones for ``BELIEVED_SECONDS`` by the digest of their text."""

    def __init__(
        self,
        keys: Keys,
        people: People,
        sessions: Sessions,
        trail: Trail,
        closed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """closed: people sign in at a provider, so nobody is let in without a key or a session."""
        self._keys, self._people, self._sessions = keys, people, sessions
        self._trail, self._closed = trail, closed
        self._known: TTLCache[bytes, Actor] = TTLCache(REMEMBERED, BELIEVED_SECONDS, clock)
        self._needed: TTLCache[str, bool] = TTLCache(1, BELIEVED_SECONDS, clock)
        self._lock = threading.Lock()

    def remembered(self, text: str) -> Actor | None:
        """Who holds this key, if it was verified a moment ago."""
        return self._recall(_digest(text))

    def verify(self, text: str, at: str = "key.refused") -> Actor:
        """Who holds this key, by the database. Raises ``KeyRefused``, which is audited as the action ``at``."""
        try:
            key = self._keys.verify(text)
        except KeyRefused:
            with contextlib.suppress(StoreError):  # a refusal stands, whether it can be written down or not
                self._trail.refused(at, "keys")
            raise
        return self._remember(_digest(text), Actor.of(key))

    def holder(self, id: str, epoch: int = 0, session: str = "") -> Actor:
        """Who signed in: with the key of this id, which must still be valid, or as this person, in this epoch.

        session: of the console, which must not have been ended. By the database. Raises ``KeyRefused``.
        """
        name = f"{id} {epoch} {session}".encode()
        if (known := self._recall(name)) is not None:
            return known
        if session and self._sessions.is_ended(session):
            raise ended()
        if id.startswith(PREFIX):
            return self._remember(name, _acting(self._people.valid(id, epoch)))
        return self._remember(name, Actor.of(self._keys.valid(id)))

    def end_session(self, session: str) -> None:
        """Refuse a session of the console from now on, on every server."""
        self._sessions.end(session)
        self.forget()

    def needed(self) -> bool | None:
        """Whether every request needs a key, if that was looked up a moment ago."""
        with self._lock:
            return self._needed.get(ANY)

    def look_up_needed(self) -> bool:
        """Whether every request needs a key, by the database."""
        needed = self._closed or self._keys.needed()
        with self._lock:
            self._needed[ANY] = needed
        return needed

    def forget(self) -> None:
        """A key has changed: believe nothing."""
        with self._lock:
            self._known.clear()
            self._needed.clear()

    def _recall(self, name: bytes) -> Actor | None:
        with self._lock:
            return self._known.get(name)

    def _remember(self, name: bytes, actor: Actor) -> Actor:
        with self._lock:
            self._known[name] = actor
        return actor

    # A key that changes is forgotten

    def create(
        self,
        name: str,
        role: Role,
        days: float | None,
        actor: str,
        scope: Scope = EVERYTHING,
        limits: KeyLimits = NO_LIMITS,
    ) -> tuple[str, ApiKey]:
        """(the key's text, given this once; its row)."""
        made = self._keys.create(name, role, actor=actor, days=days, scope=scope, limits=limits)
        self.forget()
        return made

    def rotate(self, id: str, overlap_seconds: float, actor: str) -> tuple[str, ApiKey]:
        """A new key of the same name, role, scope and end; the old one is valid for the overlap.

        Raises NotFound, KeyConflict.
        """
        made = self._keys.rotate(id, actor=actor, overlap_seconds=overlap_seconds)
        self.forget()
        return made

    def limit(self, id: str, change: Mapping[str, object], actor: str) -> ApiKey:
        """Another priority, share or quota. Raises NotFound, IllegalValue."""
        key = self._keys.limit(id, change, actor=actor)
        self.forget()
        return key

    def revoke(self, id: str, actor: str) -> ApiKey:
        """Refused from now on. Raises NotFound."""
        key = self._keys.revoke(id, actor=actor)
        self.forget()
        return key

    def end_sessions(self, id: str, actor: str) -> Person:
        """Sign a person out everywhere. Raises NotFound."""
        person = self._people.end_sessions(id, actor=actor)
        self.forget()
        return person


def require(actor: Actor, needed: Role) -> Actor:
    """``actor``, who must hold the role. Raises ``RoleTooLow``."""
    if not allows(actor.role, needed):
        raise RoleTooLow(f"this needs the role {needed}", f"the role {actor.role}", "Use a key of that role.")
    return actor


def allows(held: Role, needed: Role) -> bool:
    """Whether a key of role ``held`` may do what needs ``needed``: read < inspect < admin."""
    return RANK[held] >= RANK[needed]


def _acting(person: Person) -> Actor:
    return Actor(person.id, person.role, person.name)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
