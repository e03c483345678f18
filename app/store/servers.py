"""The servers of a store: which live, by the database's clock, what their workers build with, what they are to load.

A server writes a heartbeat; one that wrote none for a lease's length does not live. The clock is the database's, so
that servers whose own clocks are hours apart agree.

A warming asks one server to load a bank file that is about to become the active version. The server deletes the row
once it has it loaded, or will not load it; who asked waits until its rows are gone, and no longer than it cares to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Float, delete, func, literal_column, select, update

from app.store.database import Database
from app.store.ids import new_id
from app.store.schema import Job, Server, Warming
from app.store.signals import signal

FORGOTTEN_SECONDS = 24 * 3600.0  # after which what is left of a server that died is deleted
STALE_SECONDS = 120.0  # after which nobody waits for a warming any more
LONGEST_WAIT = 255  # characters


@dataclass(frozen=True)
class Means:
    """What a server has for work: its worker's backbone by weights and precision. works: it has a worker."""

    backbone: str
    weights: str
    precision: str
    works: bool


class Servers:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database, self._lease = database, lease_seconds

    def beat(self, id: str, release: str, means: Means, unfit: Mapping[str, str]) -> None:
        """This server lives. unfit: ``bank/version`` that it cannot serve, with the reasons."""
        now = _now(self._database)
        values = {"release": release, **vars(means), "unfit": dict(unfit)}
        row = self._database.insert(Server).values(id=id, started=now, beat=now, **values)
        with self._database.write() as session:
            session.execute(row.on_conflict_do_update(index_elements=["id"], set_={**values, "beat": now}))
            session.execute(delete(Server).where(Server.beat < now - FORGOTTEN_SECONDS))
            session.execute(delete(Warming).where(Warming.asked < now - STALE_SECONDS))

    def leave(self, id: str) -> None:
        """It shuts down: nobody waits for it any more."""
        with self._database.write() as session:
            session.execute(delete(Server).where(Server.id == id))
            session.execute(delete(Warming).where(Warming.server == id))

    def live(self) -> list[Server]:
        """Those that live, by id."""
        query = select(Server).where(self._lives()).order_by(Server.id)
        with self._database.read() as session:
            return [*session.scalars(query)]

    # Loaded before it is active

    def ask_warm(self, bank: str, sha256: str, size: int, *, besides: str) -> str | None:
        """Have all other live servers load a file; the id to wait for, None where there is no other."""
        id, now = new_id(), _now(self._database)
        with self._database.read() as session:
            others = session.scalars(select(Server.id).where(self._lives(), Server.id != besides)).all()
        if not others:
            return None
        with self._database.write() as session:
            for server in others:
                asked = {"server": server, "id": id, "bank": bank, "sha256": sha256, "bytes": size}
                session.execute(self._database.insert(Warming).values(**asked, asked=now))
            signal(session, "warm")
        return id

    def cold(self, id: str) -> list[str]:
        """The live servers that were asked and have not answered yet."""
        query = select(Server.id).join(Warming, Warming.server == Server.id)
        with self._database.read() as session:
            return [*session.scalars(query.where(Warming.id == id, self._lives()).order_by(Server.id))]

    def give_up(self, id: str) -> None:
        """Nobody waits for it any more."""
        with self._database.write() as session:
            session.execute(delete(Warming).where(Warming.id == id))

    def to_warm(self, server: str) -> list[Warming]:
        """What a server is asked to load, oldest first."""
        with self._database.read() as session:
            query = select(Warming).where(Warming.server == server).order_by(Warming.id)
            return [*session.scalars(query)]

    def warmed(self, asked: Warming) -> None:
        """It is loaded, or will not be."""
        with self._database.write() as session:
            session.execute(delete(Warming).where(Warming.server == asked.server, Warming.id == asked.id))

    # Who may take a job

    def name_what_is_missing(self) -> list[Job]:
        """Say with each queued job that no live server can take what it waits for; those where that is new."""
        live = [(server.weights, server.precision) for server in self.live() if server.works]
        query = select(Job).where(Job.state == "queued")
        with self._database.read() as session:
            wrong = [job for job in session.scalars(query) if job.waits_for != missing(job, live)]
        for job in wrong:
            job.waits_for = missing(job, live)
            with self._database.write() as session:
                said = update(Job).where(Job.id == job.id, Job.state == "queued")
                session.execute(said.values(waits_for=job.waits_for))
        return [job for job in wrong if job.waits_for]

    def _lives(self) -> ColumnElement[bool]:
        return Server.beat >= _now(self._database) - self._lease


def missing(job: Job, live: list[tuple[str, str]]) -> str | None:
    """What a queued job waits for, as a sentence; None where one of the live workers can take it, or none is known."""
    if not live or job.needs_weights is None or (job.needs_weights, job.needs_precision) in live:
        return None
    name = job.request.get("backbone", "the backbone")
    said = f"No running server has a worker with {name} (weights {job.needs_weights[:12]}, {job.needs_precision})."
    return said[:LONGEST_WAIT]


def _now(database: Database) -> ColumnElement[float]:
    """Seconds since 1970 by the database's clock."""
    if database.is_sqlite:
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Float)
    return func.extract("epoch", func.clock_timestamp()).cast(Float)
