"""Links by which people sign in without typing a key: valid once and for minutes, stored as digests, audited.

A link's text has 256 bits of chance, so a plain sha256 is the right digest, as it is of a key (app/store/keys.py).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete

from app.store.audit import record
from app.store.database import Database
from app.store.errors import IllegalValue, KeyRefused, LinkRefused
from app.store.ids import Clock
from app.store.keys import Keys
from app.store.schema import ApiKey, SignInLink
from app.store.timekeeping import Timekeeper

MOST_MINUTES = 24 * 60
REMEMBERED = timedelta(days=1)  # past its end, so that an old link is called old and not unknown


class Links:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, keys: Keys, clock: Clock, time: Timekeeper) -> None:
        self._database, self._keys, self._clock, self._time = database, keys, clock, time

    def make(self, key: str, *, actor: str, minutes: float = 10) -> tuple[str, SignInLink]:
        """(the link's text, which nothing can give again; its row) of a key's id.

        Raises ``NotFound``, or ``IllegalValue`` for a key that is not valid and for a time out of its range.
        """
        if not 0 < minutes <= MOST_MINUTES:
            raise IllegalValue(
                requirement=f"a sign-in link is valid for up to {MOST_MINUTES:,} minutes",
                received=f"{minutes:g}",
                remedy="Ask for ten; a link is used at once or made again.",
            )
        row, text = self._keys.get(key), secrets.token_urlsafe(32)
        try:
            self._keys.valid(row.id)
        except KeyRefused:
            raise IllegalValue(
                requirement="a sign-in link needs a key that is valid",
                received=f"{row.name}, which was revoked or has expired",
                remedy="Create a key, or name another.",
            ) from None
        with self._database.write() as session:
            now = self._time.latest(session)
            link = SignInLink(
                sha256=_digest(text),
                key_id=row.id,
                created_by=actor,
                created_at=now,
                expires_at=now + timedelta(minutes=minutes),
            )
            session.execute(delete(SignInLink).where(SignInLink.expires_at < now - REMEMBERED))
            session.add(link)
            record(session, self._clock, actor, "key.link", f"key:{row.id}", name=row.name, minutes=minutes)
        return text, link

    def take(self, text: str) -> ApiKey:
        """The key that a link signs in as; no other call gets it again.

        Raises ``LinkRefused`` with the reason, ``KeyRefused`` where the key itself is no longer valid.
        """
        with self._database.write() as session:
            link = session.get(SignInLink, _digest(text), with_for_update=True)
            if link is None:
                raise _refused("unknown", "one that nobody made, or that ended long ago")
            if link.used_at is not None:
                raise _refused("used", "one that was used already")
            if self._time.latest(session) >= link.expires_at:
                raise _refused("expired", "one whose time is over")
            link.used_at = self._clock.now()
            record(
                session, self._clock, link.key_id, "key.link_use", f"key:{link.key_id}", by=link.created_by
            )
            key = link.key_id
        return self._keys.valid(key)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _refused(reason: str, received: str) -> LinkRefused:
    error = LinkRefused(
        requirement="a sign-in link must be new",
        received=received,
        remedy="Ask an administrator for another one.",
    )
    error.reason = reason
    return error
