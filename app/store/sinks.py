"""Sinks: created, changed, deleted, each with its secrets; and which relay has one.

A sink is held by the token and the heartbeats of app/store/leases.py, whose reasons hold here too: no wall clock
decides. A relay that is gone is found by its silence, or where the database is this machine's by its process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict, Unpack

import psutil
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.columns import JsonObject
from app.store.database import Database
from app.store.errors import AlreadyExists, IllegalValue
from app.store.ids import Clock, check_slug, new_id
from app.store.marks import mark_of, set_mark
from app.store.outbox import sink_found
from app.store.schema import Outgoing, Sink, SinkSecret
from app.store.wishes import SINKS

MOST = 32  # sinks; each has a task and perhaps a connection
KEPT = 2  # secrets of a sink: the one in use and the one before


class Filters(TypedDict, total=False):
    """Which events a sink gets; None lets all by."""

    kinds: list[str] | None
    banks: list[str] | None
    decisions: list[str] | None
    stations: list[str] | None


class Sinks:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def create(
        self,
        id: str,
        kind: str,
        target: JsonObject,
        *,
        actor: str,
        secret: str | None = None,
        enabled: bool = True,
        **filters: Unpack[Filters],
    ) -> Sink:
        """Raises ``IllegalId``, ``AlreadyExists``, ``IllegalValue`` past ``MOST``."""
        now = self._clock.now()
        row = Sink(
            id=check_slug(id), kind=kind, target=target, enabled=enabled, created_by=actor, created_at=now,
            updated_at=now, **filters,
        )  # fmt: skip
        try:
            with self._database.write() as session:
                if len(session.scalars(select(Sink.id)).all()) >= MOST:
                    raise IllegalValue(f"a server may have {MOST} sinks", "one more", "Delete one first.")
                session.add(row)
                session.flush()
                self._keep(session, id, secret)
                self._changed(session)
                said = {name: value for name, value in filters.items() if value is not None}
                record(session, self._clock, actor, "sink.create", f"sink:{id}", kind=kind, **said)
        except IntegrityError:
            raise AlreadyExists("a sink's id must be free", id, "Choose another, or use that sink.") from None
        return row

    def all(self) -> list[Sink]:
        """By id."""
        with self._database.read() as session:
            return [*session.scalars(select(Sink).order_by(Sink.id))]

    def get(self, id: str) -> Sink:
        """Raises ``NotFound``."""
        with self._database.read() as session:
            return sink_found(session.get(Sink, id), id)

    def any(self) -> bool:
        """Whether there was ever one."""
        with self._database.read() as session:
            return mark_of(session, SINKS) is not None

    def update(
        self,
        id: str,
        change: Mapping[str, Any],
        *,
        actor: str,
        secret: str | None = None,
        forget: bool = False,
    ) -> Sink:
        """Its target, filters or whether it is enabled. secret: takes the place of those it has, at once.

        forget: it has no secret any more. Raises ``NotFound``.
        """
        with self._database.write() as session:
            row = sink_found(session.get(Sink, id, with_for_update=True), id)
            for name, value in change.items():
                setattr(row, name, value)
            row.updated_at = self._clock.now()
            if forget or secret is not None:
                session.execute(delete(SinkSecret).where(SinkSecret.sink == id))
                self._keep(session, id, secret)
            self._changed(session)
            names = [*change, *(["secret"] if forget or secret is not None else [])]
            record(session, self._clock, actor, "sink.update", f"sink:{id}", changed=names)
        return row

    def delete(self, id: str, *, actor: str) -> None:
        """With its events, delivered or not. Raises ``NotFound``."""
        with self._database.write() as session:
            session.delete(sink_found(session.get(Sink, id), id))
            left = session.scalars(
                delete(Outgoing).where(Outgoing.sink == id).returning(Outgoing.state)
            ).all()
            self._changed(session)
            lost = sum(state != "delivered" for state in left)
            record(session, self._clock, actor, "sink.delete", f"sink:{id}", undelivered=lost)

    def secrets(self, id: str) -> list[SinkSecret]:
        """The newest first; one that was replaced is valid until it expires."""
        query = select(SinkSecret).where(SinkSecret.sink == id).order_by(SinkSecret.id.desc())
        with self._database.read() as session:
            return [*session.scalars(query.limit(KEPT))]

    def rotate(self, id: str, secret: str, overlap_seconds: float, *, actor: str) -> Sink:
        """From now on the sink signs with ``secret``, and with the one before as well for the overlap."""
        ends = self._clock.now() + timedelta(seconds=overlap_seconds)
        with self._database.write() as session:
            row = sink_found(session.get(Sink, id, with_for_update=True), id)
            query = select(SinkSecret).where(SinkSecret.sink == id).order_by(SinkSecret.id.desc())
            for place, old in enumerate(session.scalars(query)):
                if place:
                    session.delete(old)
                else:
                    old.expires_at = ends
            self._keep(session, id, secret)
            row.updated_at = self._clock.now()
            self._changed(session)
            record(session, self._clock, actor, "sink.rotate", f"sink:{id}", overlap_seconds=overlap_seconds)
        return row

    # Which relay has it

    def claim(self, seen: Sink, owner: str) -> int | None:
        """The token by which ``owner`` has the sink now; None where it changed hands since it was ``seen``."""
        same = Sink.id == seen.id, Sink.token == seen.token, Sink.beats == seen.beats
        new = (
            update(Sink).where(*same).values(token=Sink.token + 1, beats=0, owner=owner).returning(Sink.token)
        )
        with self._database.write() as session:
            return session.scalar(new)

    def beat(self, held: Mapping[str, int]) -> set[str]:
        """Tell that the relay of these tokens lives; the sinks that are its own no more."""
        with self._database.write() as session:
            kept = [
                session.scalar(
                    update(Sink)
                    .where(Sink.id == id, Sink.token == token)
                    .values(beats=Sink.beats + 1)
                    .returning(Sink.id)
                )
                for id, token in held.items()
            ]
        return {*held} - {*kept}

    def release(self, held: Mapping[str, int]) -> None:
        """Let others have these at once."""
        with self._database.write() as session:
            for id, token in held.items():
                session.execute(update(Sink).where(Sink.id == id, Sink.token == token).values(owner=None))

    def is_orphaned(self, sink: Sink) -> bool:
        """Whether nobody has it for certain: it was let go, or its process was of this machine, and has ended."""
        return sink.owner is None or (self._database.is_sqlite and has_ended(sink.owner))

    def _keep(self, session: Session, sink: str, text: str | None) -> None:
        if text is not None:
            session.add(SinkSecret(id=new_id(), sink=sink, text=text))

    def _changed(self, session: Session) -> None:
        set_mark(session, SINKS, new_id(), self._clock.now())


def own_name() -> str:
    """Of this process, among all that ever ran: machine, process id, when it began."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def machine_of(sink: Sink) -> str | None:
    """Of the server that has it, by its host name; None where none has."""
    return None if sink.owner is None else sink.owner.partition(":")[0]


def has_ended(name: str) -> bool:
    """Whether a process of this machine, by ``own_name``, is no more; of another machine nothing is known."""
    host, _, rest = name.partition(":")
    pid, _, began = rest.partition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != began
    except psutil.NoSuchProcess:
        return True
