"""Sessions of the console, for all servers: the secret that signs them, and those that were ended."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import delete

from app.store.audit import record
from app.store.database import Database
from app.store.ids import Clock
from app.store.schema import EndedSession, Secret
from app.store.signals import signal

NAME = "console"
REMEMBERED = timedelta(days=2)  # an ended session; a cookie is valid for less


class Sessions:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def secret(self, first: str | None = None) -> str:
        """What signs them, made at the first call of any server. first: what to begin with, such as an earlier one."""
        with self._database.read() as session:
            if (known := session.get(Secret, NAME)) is not None:
                return known.text
        with self._database.write() as session:
            row = {"name": NAME, "text": first or _new(), "set_at": self._clock.now()}
            session.execute(self._database.insert(Secret).values(**row).on_conflict_do_nothing())
            return session.get_one(Secret, NAME).text

    def renew(self, *, actor: str) -> None:
        """Another secret: no session signed with the one before is valid on a server that starts from now on."""
        with self._database.write() as session:
            session.merge(Secret(name=NAME, text=_new(), set_at=self._clock.now()))
            record(session, self._clock, actor, "console.renew_secret", "store")

    def end(self, id: str) -> None:
        """Refused from now on, by every server."""
        now = self._clock.now()
        with self._database.write() as session:
            session.execute(delete(EndedSession).where(EndedSession.ended_at < now - REMEMBERED))
            session.merge(EndedSession(id=id, ended_at=now))
            signal(session, "keys")

    def is_ended(self, id: str) -> bool:
        with self._database.read() as session:
            return session.get(EndedSession, id) is not None


def _new() -> str:
    return secrets.token_urlsafe(48)
