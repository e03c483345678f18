"""The tables: banks, their images, versions and jobs; inspections and reviews; events; keys, audit, marks, blobs.

Rows leave the store detached: they are values, and changing one changes nothing. Times are UTC. Every
``actor`` is an API key's id, a person's, or ``cli`` or ``local``. app/store/migrations must produce exactly this
metadata (a test compares them).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from app.store.columns import Document, Finite, JsonObject, Utc, Words, one_of
from app.store.ids import new_id

Decision = Literal["accept", "review", "reject"]
Verdict = Literal["confirmed_defect", "false_alarm", "missed_defect"]
Finding = Literal["confirmed_defect", "false_alarm", "missed_defect", "withdrawn"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
VersionState = Literal["ok", "quarantined"]
JobKind = Literal["build", "screening", "check", "advice", "patterns"]
Source = Literal["upload", "false_alarm"]
Role = Literal["read", "inspect", "admin"]
Priority = Literal["line", "normal", "background"]
EventKind = Literal["decided", "reviewed", "activated", "unhealthy", "thresholds", "drift"]
EventState = Literal["waiting", "delivered", "dead"]

LONGEST_TEXT = 128  # characters of a serial number or a station
ID, SLUG, SHA, NAME, SERIAL, KIND = (Words(n) for n in (36, 63, 64, 255, LONGEST_TEXT, 64))
ACTIVE_STATES: tuple[JobState, ...] = ("queued", "running")
ACTIVE = "state IN ('queued', 'running')"


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Root of the tables; names every constraint so that later migrations can refer to it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Blob(Base):
    """Bytes known by their sha256. ``touched_at`` is when they were last uploaded."""

    __tablename__ = "blobs"
    sha256: Mapped[str] = mapped_column(SHA, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(Words(100))
    touched_at: Mapped[datetime] = mapped_column(Utc, index=True)


class Bank(Base):
    """One product view. ``revision`` rises with every change; thresholds override the version's.

    ``priority`` and ``share`` are of its inspections, where their key has none of its own. ``active_sha256`` is the
    active version's file: what is served is compared with it.
    """

    __tablename__ = "banks"
    id: Mapped[str] = mapped_column(SLUG, primary_key=True)
    title: Mapped[str] = mapped_column(Words(200))
    config: Mapped[JsonObject] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Utc)
    updated_at: Mapped[datetime] = mapped_column(Utc)
    target_false_reject: Mapped[float | None] = mapped_column(Finite, default=None)
    target_review: Mapped[float | None] = mapped_column(Finite, default=None)
    review_threshold: Mapped[float | None] = mapped_column(Finite, default=None)
    reject_threshold: Mapped[float | None] = mapped_column(Finite, default=None)
    pinned: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[Priority | None] = mapped_column(Words(16), default=None)
    share: Mapped[float | None] = mapped_column(Finite, default=None)
    active_version: Mapped[int | None] = mapped_column(default=None)
    active_sha256: Mapped[str | None] = mapped_column(SHA, default=None)
    last_version: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=1)


class UsedName(Base):
    """A name that a deleted bank had, and the highest numbers it used: the next bank of this name goes on from them."""

    __tablename__ = "used_names"
    id: Mapped[str] = mapped_column(SLUG, primary_key=True)
    last_version: Mapped[int]
    revision: Mapped[int]


class ThresholdChange(Base):
    """What a bank's thresholds and target rates became, when, by whom and why."""

    __tablename__ = "threshold_changes"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    bank: Mapped[str] = mapped_column(SLUG, ForeignKey("banks.id", ondelete="CASCADE"), index=True)
    review_threshold: Mapped[float | None] = mapped_column(Finite)
    reject_threshold: Mapped[float | None] = mapped_column(Finite)
    target_false_reject: Mapped[float | None] = mapped_column(Finite)
    target_review: Mapped[float | None] = mapped_column(Finite)
    actor: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(Utc)
    note: Mapped[str | None] = mapped_column(Words(4000), default=None)


class Image(Base):
    """An image of a bank's nominal set. ``serial`` is the serial number of the part it shows, if it was said."""

    __tablename__ = "images"
    __table_args__ = (one_of("source", Source), Index(None, "bank", "name", "sha256"))
    bank: Mapped[str] = mapped_column(SLUG, ForeignKey("banks.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256"), primary_key=True, index=True)
    name: Mapped[str] = mapped_column(NAME)
    bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    source: Mapped[Source] = mapped_column(Words(16))
    added_at: Mapped[datetime] = mapped_column(Utc)
    inspection_id: Mapped[str | None] = mapped_column(ID, default=None)
    serial: Mapped[str | None] = mapped_column(SERIAL, default=None)


class Version(Base):
    """One immutable build of a bank: its file, and why it is quarantined, or was not activated, if so.

    While another version is active, the thresholds are those that were set by score when it was the active one.
    """

    __tablename__ = "versions"
    __table_args__ = (one_of("state", VersionState),)
    bank: Mapped[str] = mapped_column(SLUG, ForeignKey("banks.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256"), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    summary: Mapped[JsonObject] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Utc)
    job_id: Mapped[str | None] = mapped_column(ID, default=None)
    state: Mapped[VersionState] = mapped_column(Words(16), default="ok")
    reason: Mapped[str | None] = mapped_column(Words(4000), default=None)
    review_threshold: Mapped[float | None] = mapped_column(Finite, default=None)
    reject_threshold: Mapped[float | None] = mapped_column(Finite, default=None)


class Job(Base):
    """A build, screening, check, advice or mining, whose ``result`` is what it found.

    ``token`` fences workers off, ``beats`` counts heartbeats (app/store/leases.py). Only a worker whose backbone has
    the needed weights, in that precision, takes it; ``waits_for`` says what no running server has.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", JobState),
        Index(
            "uq_jobs_active_bank",
            "bank",
            "kind",
            unique=True,
            postgresql_where=text(ACTIVE),
            sqlite_where=text(ACTIVE),
        ),
        Index(None, "state", "id"),
        Index(None, "bank", "id"),
    )
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    bank: Mapped[str] = mapped_column(SLUG, ForeignKey("banks.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Words(32))
    request: Mapped[JsonObject] = mapped_column(Document)
    actor: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(Utc)
    state: Mapped[JobState] = mapped_column(Words(16), default="queued")
    stage: Mapped[str | None] = mapped_column(Words(64), default=None)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    seconds_left: Mapped[float | None] = mapped_column(Finite, default=None)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[JsonObject | None] = mapped_column(Document, default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(NAME, default=None)
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    heartbeat_at: Mapped[datetime | None] = mapped_column(Utc, default=None)
    started_at: Mapped[datetime | None] = mapped_column(Utc, default=None)
    finished_at: Mapped[datetime | None] = mapped_column(Utc, default=None)
    version: Mapped[int | None] = mapped_column(default=None)
    not_activated: Mapped[str | None] = mapped_column(Words(4000), default=None)
    result: Mapped[JsonObject | None] = mapped_column(Document, default=None)
    needs_weights: Mapped[str | None] = mapped_column(SHA, default=None)
    needs_precision: Mapped[str | None] = mapped_column(Words(16), default=None)
    waits_for: Mapped[str | None] = mapped_column(Words(255), default=None)


class JobImage(Base):
    """The images as they were when the job was asked for; held until the job ends."""

    __tablename__ = "job_images"
    job_id: Mapped[str] = mapped_column(ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256"), primary_key=True, index=True)
    name: Mapped[str] = mapped_column(NAME)
    serial: Mapped[str | None] = mapped_column(SERIAL, default=None)


class Screening(Base):
    """What a screening job found: its report is a blob. ``set_sha256`` is of the nominal set that it looked over."""

    __tablename__ = "screenings"
    __table_args__ = (Index(None, "bank", "set_sha256"),)
    id: Mapped[str] = mapped_column(ID, primary_key=True)  # of its job
    bank: Mapped[str] = mapped_column(SLUG, ForeignKey("banks.id", ondelete="CASCADE"))
    sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256"), index=True)
    set_sha256: Mapped[str] = mapped_column(SHA)
    created_at: Mapped[datetime] = mapped_column(Utc)


class CheckSet(Base):
    """Labelled images that every version of a bank is tried on, by a name."""

    __tablename__ = "check_sets"
    bank: Mapped[str] = mapped_column(SLUG, ForeignKey("banks.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(SLUG, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Utc)


class CheckImage(Base):
    """An image of a check set. ``kind`` is ``good`` or the kind of defect that it shows."""

    __tablename__ = "check_images"
    __table_args__ = (
        ForeignKeyConstraint(
            ["bank", "check_set"], ["check_sets.bank", "check_sets.name"], ondelete="CASCADE"
        ),
    )
    bank: Mapped[str] = mapped_column(SLUG, primary_key=True)
    check_set: Mapped[str] = mapped_column(SLUG, primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256"), primary_key=True, index=True)
    name: Mapped[str] = mapped_column(NAME)
    kind: Mapped[str] = mapped_column(KIND)
    bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(Utc)
    serial: Mapped[str | None] = mapped_column(SERIAL, default=None)


class CheckRun(Base):
    """What one version scored on a check set: a blob. A later run of the version on the set takes its place."""

    __tablename__ = "check_runs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["bank", "check_set"], ["check_sets.bank", "check_sets.name"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["bank", "version"], ["versions.bank", "versions.number"], ondelete="CASCADE"),
    )
    bank: Mapped[str] = mapped_column(SLUG, primary_key=True)
    check_set: Mapped[str] = mapped_column(SLUG, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256"), index=True)
    job_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(Utc)


class IdempotencyKey(Base):
    """The job an Idempotency-Key stands for, within a scope (the API key and route)."""

    __tablename__ = "idempotency_keys"
    scope: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    request_sha256: Mapped[str] = mapped_column(SHA)
    job_id: Mapped[str] = mapped_column(ID)
    expires_at: Mapped[datetime] = mapped_column(Utc, index=True)


class Inspection(Base):
    """One scored image with its decision. Outlives its bank; ``verdict`` and ``kind`` are the latest review's.

    ``image_not_kept`` says why its image could not be kept, which the policy wanted, as a problem type's slug.
    """

    __tablename__ = "inspections"
    __table_args__ = (
        one_of("decision", Decision),
        one_of("verdict", Verdict),
        Index(None, "bank", "id"),
        Index(None, "bank", "decision", "id"),
        Index(None, "serial", "id"),
        Index(None, "decision", "created_at"),
        Index("ix_inspections_trend", "bank", "created_at", "station", "decision", "verdict", "score"),
        Index("ix_inspections_kinds", "bank", "verdict", "kind", "created_at", "station", "serial", "id"),
    )
    bank: Mapped[str] = mapped_column(SLUG)
    version: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    score: Mapped[float] = mapped_column(Finite)
    review_threshold: Mapped[float] = mapped_column(Finite)
    reject_threshold: Mapped[float] = mapped_column(Finite)
    decision: Mapped[Decision] = mapped_column(Words(16))
    regions: Mapped[list[Any]] = mapped_column(Document)
    timings: Mapped[JsonObject] = mapped_column(Document)
    digests: Mapped[JsonObject] = mapped_column(Document)
    id: Mapped[str] = mapped_column(ID, primary_key=True, default_factory=new_id)
    serial: Mapped[str | None] = mapped_column(SERIAL, default=None)
    station: Mapped[str | None] = mapped_column(Words(LONGEST_TEXT), default=None)
    name: Mapped[str | None] = mapped_column(NAME, default=None)
    image_sha256: Mapped[str | None] = mapped_column(
        SHA, ForeignKey("blobs.sha256"), index=True, default=None
    )
    image_not_kept: Mapped[str | None] = mapped_column(Words(64), default=None)
    nearest: Mapped[JsonObject | None] = mapped_column(Document, default=None)
    location: Mapped[JsonObject | None] = mapped_column(Document, default=None)
    actor: Mapped[str | None] = mapped_column(NAME, default=None)
    verdict: Mapped[Verdict | None] = mapped_column(Words(16), default=None)
    kind: Mapped[str | None] = mapped_column(KIND, default=None)
    created_at: Mapped[datetime] = mapped_column(Utc, index=True, default_factory=partial(datetime.now, UTC))


class Descriptor(Base):
    """What an inspection's worst patches look like: their mean, as float16. Those of one ``space`` are comparable."""

    __tablename__ = "descriptors"
    inspection_id: Mapped[str] = mapped_column(
        ID, ForeignKey("inspections.id", ondelete="CASCADE"), primary_key=True
    )
    bank: Mapped[str] = mapped_column(SLUG)
    space: Mapped[str] = mapped_column(SHA)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class Origin(Base):
    """The file of a watched folder that an inspection was made of, in its transaction: a file has one.

    No foreign key: a file that stays in its folder is not inspected again once its inspection has expired.
    """

    __tablename__ = "origins"
    __table_args__ = (Index(None, "source", "sha256"),)
    source: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    sha256: Mapped[str] = mapped_column(SHA, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    inspection_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(Utc, default_factory=partial(datetime.now, UTC))


class Review(Base):
    """What a person found of an inspection; a later revision corrects or withdraws an earlier one, which stays.

    ``kind`` names the defect, where the verdict is one.
    """

    __tablename__ = "reviews"
    __table_args__ = (one_of("verdict", Finding),)
    inspection_id: Mapped[str] = mapped_column(
        ID, ForeignKey("inspections.id", ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    verdict: Mapped[Finding] = mapped_column(Words(16))
    note: Mapped[str] = mapped_column(Words(4000))
    actor: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(Utc)
    kind: Mapped[str | None] = mapped_column(KIND, default=None)


class Sink(Base):
    """Where events go: a ``kind`` of app/events with its ``target``; and which: a filter that is NULL lets all by.

    ``token`` fences relays off, ``beats`` counts heartbeats, as of a job. ``error`` is why the last delivery failed,
    NULL since one succeeded.
    """

    __tablename__ = "sinks"
    id: Mapped[str] = mapped_column(SLUG, primary_key=True)
    kind: Mapped[str] = mapped_column(Words(32))
    target: Mapped[JsonObject] = mapped_column(Document)
    created_by: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(Utc)
    updated_at: Mapped[datetime] = mapped_column(Utc)
    kinds: Mapped[list[str] | None] = mapped_column(Document, default=None)
    banks: Mapped[list[str] | None] = mapped_column(Document, default=None)
    decisions: Mapped[list[str] | None] = mapped_column(Document, default=None)
    stations: Mapped[list[str] | None] = mapped_column(Document, default=None)
    enabled: Mapped[bool] = mapped_column(default=True)
    owner: Mapped[str | None] = mapped_column(NAME, default=None)
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    delivered: Mapped[int] = mapped_column(BigInteger, default=0)
    delivered_at: Mapped[datetime | None] = mapped_column(Utc, default=None)
    error: Mapped[str | None] = mapped_column(Words(4000), default=None)
    error_at: Mapped[datetime | None] = mapped_column(Utc, default=None)


class SinkSecret(Base):
    """What a sink signs or signs in with; a replaced one is valid until it expires. No backup holds these rows."""

    __tablename__ = "sink_secrets"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    sink: Mapped[str] = mapped_column(SLUG, ForeignKey("sinks.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(Words(1024))
    expires_at: Mapped[datetime | None] = mapped_column(Utc, default=None)


class Outgoing(Base):
    """An event on its way to one sink; ``body`` is sent as it is. No foreign key: a sink that goes stops no inspection.

    ``queued_at`` is when it began to wait, anew once it is resent; ``settled_at`` when it was delivered or given up.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        one_of("state", EventState),
        UniqueConstraint("sink", "id"),
        Index(None, "sink", "state", "seq"),
        Index(None, "state", "settled_at"),
    )
    seq: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True, init=False
    )
    sink: Mapped[str] = mapped_column(SLUG)
    id: Mapped[str] = mapped_column(NAME)
    bank: Mapped[str] = mapped_column(SLUG)
    kind: Mapped[str] = mapped_column(Words(32))
    body: Mapped[str] = mapped_column(Text)
    queued_at: Mapped[datetime] = mapped_column(Utc)
    state: Mapped[EventState] = mapped_column(Words(16), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Words(4000), default=None)
    settled_at: Mapped[datetime | None] = mapped_column(Utc, default=None)


class ApiKey(Base):
    """A key's public half and the sha256 of its secret half; where banks or stations are NULL, it is for all."""

    __tablename__ = "api_keys"
    __table_args__ = (one_of("role", Role),)
    id: Mapped[str] = mapped_column(Words(16), primary_key=True)
    name: Mapped[str] = mapped_column(Words(100))
    role: Mapped[Role] = mapped_column(Words(16))
    secret_sha256: Mapped[str] = mapped_column(SHA)
    created_by: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(Utc)
    expires_at: Mapped[datetime | None] = mapped_column(Utc, default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(Utc, default=None)
    banks: Mapped[list[str] | None] = mapped_column(Document, default=None)
    stations: Mapped[list[str] | None] = mapped_column(Document, default=None)
    limits: Mapped[JsonObject | None] = mapped_column(Document, default=None)  # app/store/key_limits.py


class Person(Base):
    """Somebody whom an OpenID provider vouches for, with the role of the last sign-in; ``id`` is the actor.

    ``epoch`` rises when their sessions are ended: older ones are no longer theirs.
    """

    __tablename__ = "people"
    __table_args__ = (one_of("role", Role), UniqueConstraint("issuer", "subject"))
    id: Mapped[str] = mapped_column(Words(128), primary_key=True)
    issuer: Mapped[str] = mapped_column(NAME)
    subject: Mapped[str] = mapped_column(NAME)
    name: Mapped[str] = mapped_column(Words(100))
    role: Mapped[Role] = mapped_column(Words(16))
    created_at: Mapped[datetime] = mapped_column(Utc)
    signed_in_at: Mapped[datetime] = mapped_column(Utc)
    epoch: Mapped[int] = mapped_column(default=0)


class Mark(Base):
    """A fact about the whole store, by name, such as that a key existed once."""

    __tablename__ = "marks"
    name: Mapped[str] = mapped_column(Words(64), primary_key=True)
    value: Mapped[str] = mapped_column(NAME)
    set_at: Mapped[datetime] = mapped_column(Utc)


class Secret(Base):
    """What servers sign with, by name, alike on all of them. No backup holds these rows."""

    __tablename__ = "secrets"
    name: Mapped[str] = mapped_column(Words(64), primary_key=True)
    text: Mapped[str] = mapped_column(Words(1024))
    set_at: Mapped[datetime] = mapped_column(Utc)


class EndedSession(Base):
    """A session of the console that was signed out: its cookie is refused wherever it comes. In no backup."""

    __tablename__ = "ended_sessions"
    id: Mapped[str] = mapped_column(Words(64), primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(Utc, index=True)


class Server(Base):
    """A server that runs, or ran (app/store/servers.py). Times are seconds by the database's clock. In no backup.

    ``weights`` and ``precision`` are of the backbone that its worker builds with; ``works`` whether it has a worker.
    ``unfit`` names versions that only this server cannot serve, with the reasons.
    """

    __tablename__ = "servers"
    id: Mapped[str] = mapped_column(NAME, primary_key=True)
    release: Mapped[str] = mapped_column(Words(64))
    backbone: Mapped[str] = mapped_column(Words(64))
    weights: Mapped[str] = mapped_column(SHA)
    precision: Mapped[str] = mapped_column(Words(16))
    works: Mapped[bool]
    unfit: Mapped[JsonObject] = mapped_column(Document)
    started: Mapped[float] = mapped_column(Finite)
    beat: Mapped[float] = mapped_column(Finite)


class Warming(Base):
    """A server is asked to load a bank file that is about to be active; gone once it has answered. In no backup."""

    __tablename__ = "warmings"
    server: Mapped[str] = mapped_column(NAME, primary_key=True)
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    bank: Mapped[str] = mapped_column(SLUG)
    sha256: Mapped[str] = mapped_column(SHA)
    bytes: Mapped[int] = mapped_column(BigInteger)
    asked: Mapped[float] = mapped_column(Finite)


class Proof(Base):
    """A bank file scored as recorded with what ``id`` is the digest of (app/store/proofs.py); goes with its file."""

    __tablename__ = "proofs"
    id: Mapped[str] = mapped_column(SHA, primary_key=True)
    bank_sha256: Mapped[str] = mapped_column(SHA, ForeignKey("blobs.sha256", ondelete="CASCADE"), index=True)
    difference: Mapped[float] = mapped_column(Finite)
    made_at: Mapped[datetime] = mapped_column(Utc)


class SignInLink(Base):
    """A link by which a browser signs in as a key, once: the sha256 of its text."""

    __tablename__ = "sign_in_links"
    sha256: Mapped[str] = mapped_column(SHA, primary_key=True)
    key_id: Mapped[str] = mapped_column(Words(16), ForeignKey("api_keys.id", ondelete="CASCADE"))
    created_by: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(Utc)
    expires_at: Mapped[datetime] = mapped_column(Utc)
    used_at: Mapped[datetime | None] = mapped_column(Utc, default=None)


class AuditEntry(Base):
    """Who did what, when, from where. ``number`` and ``digest`` chain it to the one before (app/store/audit.py)."""

    __tablename__ = "audit"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    actor: Mapped[str] = mapped_column(NAME)
    action: Mapped[str] = mapped_column(Words(64))
    target: Mapped[str] = mapped_column(NAME, index=True)
    detail: Mapped[JsonObject] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Utc)
    address: Mapped[str | None] = mapped_column(Words(64), default=None)
    number: Mapped[int | None] = mapped_column(BigInteger, index=True, unique=True, default=None)
    digest: Mapped[str | None] = mapped_column(SHA, default=None)


OF_SERVERS = tuple(each.__table__ for each in (Secret, EndedSession, Server, Warming, Proof))
"""What servers write by running: no backup holds it, and a store with nothing else is empty."""
