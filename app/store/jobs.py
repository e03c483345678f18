"""Jobs as their callers see them: asked for once (Idempotency-Key), watched, cancelled.

What a worker does with a job is in app/store/leases.py.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, func, insert, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.banks import build_running, held
from app.store.columns import JsonObject
from app.store.database import Database, present
from app.store.errors import IdempotencyConflict, JobFinished
from app.store.ids import Clock, new_id, shown
from app.store.page import Page, newest_first
from app.store.schema import (
    ACTIVE_STATES,
    CheckImage,
    IdempotencyKey,
    Image,
    Job,
    JobImage,
    JobKind,
    JobState,
)

Has = tuple[str, str]
"""Weights by their digest, and a precision."""


@dataclass(frozen=True)
class Idempotency:
    """An Idempotency-Key in its scope (whose key, which route), and the digest of its request."""

    scope: str
    name: str
    request_sha256: str


class Jobs:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock, idempotency_hours: int = 24) -> None:
        self._database, self._clock = database, clock
        self._remember = timedelta(hours=idempotency_hours)

    def create(
        self,
        bank: str,
        *,
        kind: JobKind = "build",
        request: JsonObject,
        actor: str,
        idempotency: Idempotency | None = None,
        needs: Has | None = None,
    ) -> Job:
        """A queued job over the images of its set as it is now, or the one that this Idempotency-Key made before.

        needs: the weights and precision of the backbone that it is to be done with; None for any.
        Raises ``NotFound``, ``BuildAlreadyRunning`` or ``IdempotencyConflict``.
        """
        now = self._clock.now()
        job = Job(id=new_id(), bank=bank, kind=kind, request=request, actor=actor, created_at=now)
        job.needs_weights, job.needs_precision = needs or (None, None)
        try:
            with self._database.write() as session:
                held(session, bank)
                known = self._known(session, idempotency, job.id) if idempotency else None
                if known is not None:
                    return known
                session.add(job)
                session.flush()
                _keep_images(session, job)
                record(session, self._clock, actor, f"job.{kind}", f"bank:{bank}", job=job.id)
        except IntegrityError:
            raise build_running(bank, "Wait for it, or cancel it.", kind) from None
        return job

    def get(self, id: str) -> Job:
        """Raises ``NotFound``."""
        with self._database.read() as session:
            return job_found(session.get(Job, id), id)

    def any_for(self, has: Has) -> bool:
        """Whether a job waits that a worker which ``has`` this backbone may take."""
        with self._database.read() as session:
            return session.scalar(select(exists().where(takeable(has)))) is True

    def active(self) -> dict[str, int]:
        """How many are queued, and how many running."""
        query = select(Job.state, func.count()).where(Job.state.in_(ACTIVE_STATES)).group_by(Job.state)
        found: dict[str, int] = dict.fromkeys(ACTIVE_STATES, 0)
        with self._database.read() as session:
            found.update(iter(session.execute(query)))
        return found

    def page(
        self,
        *,
        bank: str | None = None,
        state: JobState | None = None,
        kind: JobKind | None = None,
        before: str | None = None,
        limit: int = 100,
        among: Collection[str] | None = None,
    ) -> Page[Job]:
        """Jobs, newest first; ``before`` is the cursor of the page before, ``among`` the only banks they may be of."""
        query = select(Job)
        if among is not None:
            query = query.where(Job.bank.in_(among))
        if bank is not None:
            query = query.where(Job.bank == bank)
        if state is not None:
            query = query.where(Job.state == state)
        if kind is not None:
            query = query.where(Job.kind == kind)
        return newest_first(self._database, query, Job.id, before, limit)

    def images(self, id: str) -> list[JobImage]:
        """The images that the job was asked for, by sha256: alike at every attempt."""
        query = select(JobImage).where(JobImage.job_id == id).order_by(JobImage.sha256)
        with self._database.read() as session:
            return [*session.scalars(query)]

    def cancel(self, id: str, *, actor: str) -> Job:
        """At once if queued; a running job's worker is told at its next heartbeat. Raises ``JobFinished``."""
        with self._database.write() as session:
            job = job_found(session.get(Job, id, with_for_update=True), id)
            if job.state not in ACTIVE_STATES:
                raise JobFinished(
                    requirement="only a queued or running job can be cancelled",
                    received=f"a job that {job.state}",
                    remedy="Nothing is left to cancel.",
                )
            job.cancel_requested = True
            if job.state == "queued":
                finish(session, job, "cancelled", self._clock)
            record(session, self._clock, actor, "job.cancel", f"bank:{job.bank}", job=id)
        return job

    def forget_keys(self) -> int:
        """Delete Idempotency-Keys past their time; how many."""
        with self._database.write() as session:
            expired = delete(IdempotencyKey).where(IdempotencyKey.expires_at < self._clock.now())
            return len(session.scalars(expired.returning(IdempotencyKey.name)).all())

    def _known(self, session: Session, key: Idempotency, job_id: str) -> Job | None:
        """The job of a key seen before; else the key is now ``job_id``'s.

        Inserting comes before looking: a second request with the same key waits here for the first.
        """
        expires = self._clock.now() + self._remember
        row = vars(key) | {"job_id": job_id, "expires_at": expires}
        session.execute(self._database.insert(IdempotencyKey).on_conflict_do_nothing(), row)
        kept = session.get_one(IdempotencyKey, (key.scope, key.name))
        if kept.job_id == job_id:
            return None
        job = session.get(Job, kept.job_id)
        if job is None or kept.expires_at < self._clock.now():
            kept.request_sha256, kept.job_id, kept.expires_at = key.request_sha256, job_id, expires
            return None
        if kept.request_sha256 != key.request_sha256:
            raise IdempotencyConflict(
                requirement="an Idempotency-Key stands for one request",
                received="another request with the same key",
                remedy="Send a new key with a new request.",
            )
        return job


def takeable(has: Has | None) -> ColumnElement[bool]:
    """Whether a job waits for a worker that ``has`` this backbone."""
    fits: ColumnElement[bool] = Job.needs_weights.is_(None)
    if has is not None:
        fits |= (Job.needs_weights == has[0]) & (Job.needs_precision == has[1])
    return (Job.state == "queued") & fits


def finish(session: Session, job: Job, state: JobState, clock: Clock) -> None:
    """End a job that this transaction has locked, and let its images go."""
    job.state, job.finished_at, job.seconds_left, job.owner = state, clock.now(), None, None
    session.execute(delete(JobImage).where(JobImage.job_id == job.id))


def job_found(job: Job | None, id: str) -> Job:
    """``job``, unless there is none."""
    return present(job, "the job must exist", shown(id), "List the jobs.")


def _keep_images(session: Session, job: Job) -> None:
    of: type[Image] | type[CheckImage] = CheckImage if job.kind == "check" else Image
    images = select(literal(job.id), of.sha256, of.name, of.serial).where(of.bank == job.bank)
    if job.kind == "check":
        images = images.where(CheckImage.check_set == job.request["check"])
    session.execute(insert(JobImage).from_select(["job_id", "sha256", "name", "serial"], images))
