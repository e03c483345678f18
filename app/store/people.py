"""People whom an OpenID provider vouches for: known by its subject, named in ledger, reviews and audit.

A person's id is ``person:`` with the name by which the provider calls them, made unique here, so that what they did
reads as who they are. It never changes: the next sign-in is matched by issuer and subject alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.database import Database, present
from app.store.errors import KeyRefused
from app.store.ids import Clock, shown
from app.store.schema import Person, Role

PREFIX = "person:"
LONGEST_NAME = 100
UNUSABLE = re.compile(r"[^\w.@+-]+")  # in an id


class People:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def signed_in(self, issuer: str, subject: str, username: str, name: str, role: Role) -> Person:
        """Who this is, from now on with this name and role; audited. username: what a new id is made of."""
        with self._database.write() as session:
            person = _known(session, issuer, subject) or self._insert(
                session, issuer, subject, username, name, role
            )
            person.name, person.role, person.signed_in_at = name[:LONGEST_NAME], role, self._clock.now()
            record(session, self._clock, person.id, "person.sign_in", person.id, name=person.name, role=role)
        return person

    def valid(self, id: str, epoch: int) -> Person:
        """Who signed in in this epoch. Raises ``KeyRefused`` once their sessions were ended."""
        with self._database.read() as session:
            person = session.get(Person, id)
        if person is None or person.epoch != epoch:
            raise ended()
        return person

    def end_sessions(self, id: str, *, actor: str) -> Person:
        """Sign them out everywhere; they may sign in again as far as the provider lets them. Raises ``NotFound``."""
        with self._database.write() as session:
            found = session.get(Person, id, with_for_update=True)
            person = present(found, "the person must be known", shown(id), "List the people.")
            person.epoch += 1
            record(session, self._clock, actor, "person.sign_out", id, name=person.name)
        return person

    def all(self) -> list[Person]:
        """Everybody who ever signed in, by name."""
        with self._database.read() as session:
            return [*session.scalars(select(Person).order_by(Person.name, Person.id))]

    def _insert(
        self, session: Session, issuer: str, subject: str, username: str, name: str, role: Role
    ) -> Person:
        now = self._clock.now()
        for id in _ids(username):
            values = {"id": id, "issuer": issuer, "subject": subject, "name": name[:LONGEST_NAME]}
            row = {**values, "role": role, "created_at": now, "signed_in_at": now, "epoch": 0}
            session.execute(self._database.insert(Person).values(**row).on_conflict_do_nothing())
            if (person := _known(session, issuer, subject)) is not None:  # the id was free
                return person
        raise AssertionError("ids never end")


def ended() -> KeyRefused:
    """The refusal of a session that is over."""
    return KeyRefused(
        requirement="a session must be of somebody who may still sign in",
        received="one that was ended",
        remedy="Sign in again.",
    )


def _known(session: Session, issuer: str, subject: str) -> Person | None:
    return session.scalar(
        select(Person).where(Person.issuer == issuer, Person.subject == subject).with_for_update()
    )


def _ids(username: str) -> Iterator[str]:
    """person:anna, person:anna-2, person:anna-3, ..."""
    handle = UNUSABLE.sub("-", username)[:LONGEST_NAME].strip("-") or "unnamed"
    yield PREFIX + handle
    yield from (f"{PREFIX}{handle}-{number}" for number in count(2))
