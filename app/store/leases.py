"""Leases: which worker runs a job, fenced by a token, and taken from it when its heartbeats stop.

Why no wall clock decides. A lease with an expiry time fails both ways when a clock jumps: forward, and a
live worker loses its job; backward, and a dead worker keeps it for hours. So a job holds no expiry. It
holds ``token``, which rises whenever a worker takes the job, and ``beats``, which rises with every
heartbeat. A ``LeaseWatch`` remembers when, by its own monotonic clock, it first saw each (token, beats);
a pair that stays the same for a lease's length belongs to a worker that is dead, or may as well be. It
then takes the job by comparing and swapping that very pair, so a heartbeat that comes in between wins,
and of two watches one wins. A worker that was only slow learns from its token at its next write that the
job is no longer its own (``LeaseLost``): work may be done twice, a result is recorded once.

The price: a watch that starts anew needs one lease's length before it takes anything. A server that knows
its worker dead, because it was its child, does not wait: ``release``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.store.banks import BY_SCORE, locked, note_thresholds, revise, swap_thresholds, swapped
from app.store.checks import keep_run
from app.store.columns import JsonObject
from app.store.database import Database
from app.store.envelopes import activated
from app.store.errors import LeaseLost
from app.store.ids import Clock
from app.store.jobs import Has, finish, takeable
from app.store.outbox import emit
from app.store.schema import Bank, Job, Version
from app.store.screenings import keep
from app.store.signals import signal
from app.store.versions import append, point

Sign = tuple[str, int, int]
"""What is held, by which token, after how many heartbeats."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a job, good until its token changes."""

    job_id: str
    token: int


@dataclass(frozen=True)
class Progress:
    """How far a job has come: ``done`` of ``total`` units of its ``stage``; seconds left, if known."""

    stage: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


class Leases:
    """Every method is one durable transaction. A stale lease raises ``LeaseLost`` and writes nothing."""

    def __init__(self, database: Database, clock: Clock, max_attempts: int = 3) -> None:
        self._database, self._clock, self._max_attempts = database, clock, max_attempts

    def claim(self, owner: str, has: Has | None = None) -> tuple[Job, Lease] | None:
        """The oldest queued job, checks last, now ``owner``'s; None if none is. No two claims get the same one.

        has: the weights and precision of its backbone; a job that needs others is left to others.
        """
        last = Job.kind == "check"  # nobody waits for it as for a build
        query = select(Job).where(takeable(has)).order_by(last, Job.id).limit(1)
        with self._database.write() as session:
            job = session.scalar(query.with_for_update(skip_locked=True))
            if job is None:
                return None
            job.state, job.owner, job.stage, job.waits_for = "running", owner, None, None
            job.token, job.attempts, job.done, job.total = job.token + 1, job.attempts + 1, 0, 0
            job.started_at = job.heartbeat_at = self._clock.now()
            return job, Lease(job.id, job.token)

    def beat(self, lease: Lease, progress: Progress | None = None) -> bool:
        """Tell that the worker lives, and how far it is; True if the job is to be cancelled."""
        values = vars(progress) if progress else {}
        statement = (
            update(Job)
            .where(Job.id == lease.job_id, Job.token == lease.token, Job.state == "running")
            .values(beats=Job.beats + 1, heartbeat_at=self._clock.now(), **values)
            .returning(Job.cancel_requested)
        )
        with self._database.write() as session:
            asked = session.scalar(statement)
        if asked is None:
            raise lost(lease)
        return asked

    def succeed(
        self,
        lease: Lease,
        *,
        sha256: str,
        size: int,
        summary: JsonObject,
        activate: bool = True,
        unsupported: Callable[[Bank], str | None] = lambda bank: None,
    ) -> Version:
        """At once the job ends, its result is the bank's next version, and, if asked, the active one.

        Where ``unsupported`` has a reason why the bank, as it is by now, could not decide with the version, that reason
        is kept with version and job, and the version before stays the active one.
        """
        with self._database.write() as session:
            job = self._own(session, lease)
            bank = locked(session, job.bank)
            version = append(session, self._clock, bank, sha256, size, summary, job.id)
            before = bank.active_version
            if activate:
                self._activate(session, job, bank, version, unsupported)
            revise(bank, self._clock)
            if bank.active_version == version.number:
                emit(session, lambda: activated(bank, version, before, job.actor, self._clock.now()))
            job.version, job.done = version.number, job.total
            finish(session, job, "succeeded", self._clock)
        return version

    def _activate(
        self,
        session: Session,
        job: Job,
        bank: Bank,
        version: Version,
        unsupported: Callable[[Bank], str | None],
    ) -> None:
        """Unless there is a reason not to, which is kept with version and job."""
        kept = {name: getattr(bank, name) for name in BY_SCORE}
        left = swap_thresholds(session, bank, version)
        if (reason := unsupported(bank)) is not None:
            version.reason = job.not_activated = reason[:4000]
            for name, value in kept.items():
                setattr(bank, name, value)
            return
        point(bank, version)
        if left is not None:
            note_thresholds(session, self._clock, bank, job.actor, swapped(left, version.number))

    def screened(self, lease: Lease, *, sha256: str, set_sha256: str) -> None:
        """At once the job ends and its report, whose bytes are a blob already, is that of its nominal set."""
        with self._database.write() as session:
            job = self._own(session, lease)
            keep(session, self._clock, job, sha256, set_sha256)
            self._succeed(session, job)

    def found(self, lease: Lease, result: JsonObject) -> None:
        """At once the job ends and keeps what it found."""
        with self._database.write() as session:
            job = self._own(session, lease)
            job.result = result
            self._succeed(session, job)

    def checked(self, lease: Lease, *, sha256: str) -> None:
        """At once the job ends and its scores, whose bytes are a blob already, are those of its version on its set."""
        with self._database.write() as session:
            job = self._own(session, lease)
            keep_run(session, self._clock, job, sha256)
            self._succeed(session, job)

    def _succeed(self, session: Session, job: Job) -> None:
        job.done = job.total
        finish(session, job, "succeeded", self._clock)

    def fail(self, lease: Lease, problem: JsonObject) -> Job:
        """The job ends with the reason."""
        with self._database.write() as session:
            job = self._own(session, lease)
            job.error = problem
            finish(session, job, "failed", self._clock)
        return job

    def cancelled(self, lease: Lease) -> Job:
        """The worker stopped, as ``beat`` told it to."""
        with self._database.write() as session:
            job = self._own(session, lease)
            finish(session, job, "cancelled", self._clock)
        return job

    def give_back(self, lease: Lease) -> Job:
        """The worker must leave (the server shuts down): the job is queued again, the attempt not counted."""
        with self._database.write() as session:
            job = self._own(session, lease)
            job.attempts -= 1
            self._requeue(session, job, "")
        return job

    def release(self, owner: str, reason: str) -> list[Job]:
        """Requeue what a worker known to be dead was running, or fail it after its last attempt."""
        query = select(Job).where(Job.state == "running", Job.owner == owner).with_for_update()
        with self._database.write() as session:
            jobs = list(session.scalars(query))
            for job in jobs:
                self._requeue(session, job, reason)
        return jobs

    def running(self) -> list[Job]:
        """Every running job."""
        with self._database.read() as session:
            return list(session.scalars(select(Job).where(Job.state == "running")))

    def take(self, job_id: str, token: int, beats: int, reason: str) -> Job | None:
        """Requeue or fail a job, if it still has this token and this many heartbeats; else None."""
        query = select(Job).where(
            Job.id == job_id, Job.token == token, Job.beats == beats, Job.state == "running"
        )
        with self._database.write() as session:
            job = session.scalar(query.with_for_update())
            if job is not None:
                self._requeue(session, job, reason)
        return job

    def _own(self, session: Session, lease: Lease) -> Job:
        job = session.get(Job, lease.job_id, with_for_update=True)
        if job is None or job.state != "running" or job.token != lease.token:
            raise lost(lease)
        return job

    def _requeue(self, session: Session, job: Job, reason: str) -> None:
        if job.cancel_requested:
            finish(session, job, "cancelled", self._clock)
        elif job.attempts >= self._max_attempts:
            job.error = {"reason": "worker-lost", "detail": f"{reason}; attempts: {job.attempts}"}
            finish(session, job, "failed", self._clock)
        else:
            job.state, job.owner, job.stage, job.seconds_left = "queued", None, None, None
            signal(session, "jobs")


class Silence:
    """How long holders have given no sign: since their token and heartbeats were first seen as they are."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: monotonic seconds."""
        self._now = now
        self._since: dict[Sign, float] = {}

    def of(self, signs: Iterable[Sign]) -> dict[Sign, float]:
        """Seconds of each; what is not among them any more is forgotten."""
        now = self._now()
        self._since = {sign: self._since.get(sign, now) for sign in signs}
        return {sign: now - since for sign, since in self._since.items()}


class LeaseWatch:
    """Takes jobs from workers whose heartbeats have stopped. Call ``sweep`` a few times per lease."""

    def __init__(self, leases: Leases, clock: Clock, lease_seconds: float) -> None:
        self._leases, self._lease_seconds = leases, lease_seconds
        self._silence = Silence(clock.monotonic)

    def sweep(self) -> list[Job]:
        """The jobs taken: queued again, failed after their last attempt, or cancelled if that was asked."""
        seconds = self._silence.of((job.id, job.token, job.beats) for job in self._leases.running())
        silent = [sign for sign, passed in seconds.items() if passed >= self._lease_seconds]
        reason = f"its worker gave no sign of life for {self._lease_seconds:g} s"
        return [job for sign in silent if (job := self._leases.take(*sign, reason)) is not None]


def lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        requirement="only the worker that holds a job may change it",
        received=f"token {lease.token} for the job {lease.job_id}, which has moved on",
        remedy="Drop the work: another worker has the job, or it has ended.",
    )
