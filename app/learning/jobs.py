"""Builds: asked for once, watched, cancelled; the work is the worker's (app/learning/worker.py)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.learning.banks import config_to_build
from app.learning.learn import check_groups, check_supported
from app.learning.supervisor import Learning
from app.store.columns import JsonObject
from app.store.jobs import Idempotency
from app.store.schema import ACTIVE_STATES, Bank, Job, JobKind, Source
from core.config import DetectorConfig
from core.groups import Groups, by_parts

LOOK_SECONDS = 0.25  # between looks at a watched job
LEARNING: tuple[JobKind, ...] = ("build", "screening", "advice")  # not of a version, which names its backbone
SILENCE_SECONDS = 10.0  # after which a watcher is told that the connection lives


K = TypeVar("K")


@dataclass(frozen=True)
class Look(Generic[K]):
    """A bank's jobs of one kind. job: the newest, None for none yet; kept: what the newest that has ended well left.

    current: whether what ``kept`` is about is still as it was.
    """

    job: Job | None
    kept: K | None
    current: bool


def start(
    learning: Learning,
    bank: str,
    change: Mapping[str, Any],
    activate: bool,
    key: str | None,
    actor: str,
    groups: str | None = None,
) -> Job:
    """A queued build of the nominal set as it is now, or the one this Idempotency-Key began before.

    groups: ``serial``, ``auto`` or ``none``; None goes by serial numbers where uploaded images have them.

    Raises NotFound, ConfigError, TooFewImages, TooFewNominalImages, GroupsError where only some images have a serial
    number, OneGroup, BuildAlreadyRunning, IdempotencyConflict.
    """
    learning.life.refuse_draining()
    row = learning.store.banks.get(bank)
    config = config_to_build(row, change)
    request = {
        "config": config.to_json(),
        "activate": activate,
        "groups": _groups(learning, row, config, groups),
    }
    same = _idempotency(key, bank, actor, change, activate, groups)
    return queue(learning, bank, "build", request, actor, same)


def queue(
    learning: Learning,
    bank: str,
    kind: JobKind,
    request: JsonObject,
    actor: str,
    same: Idempotency | None = None,
) -> Job:
    """A queued job over the images as they are now, its worker woken. same: as of ``start``.

    What learns is done with the backbone that this server has, whichever server's worker does it.
    Raises NotFound, BuildAlreadyRunning, IdempotencyConflict.
    """
    own = learning.inspecting.backbones.default
    needs = (own.digest, own.precision) if kind in LEARNING else None
    if needs is not None:
        request = {**request, "backbone": own.spec.name}
    job = learning.store.jobs.create(
        bank, kind=kind, request=request, actor=actor, idempotency=same, needs=needs
    )
    if learning.supervisor is not None:
        learning.supervisor.wake()
    return job


def newest(learning: Learning, bank: str, kind: JobKind) -> tuple[Job | None, Job | None]:
    """A bank's newest job of a kind, and the newest that ended well."""
    jobs = learning.store.jobs
    every = jobs.page(bank=bank, kind=kind, limit=1).items
    ended = jobs.page(bank=bank, kind=kind, state="succeeded", limit=1).items
    return next(iter(every), None), next(iter(ended), None)


def _groups(learning: Learning, bank: Bank, config: DetectorConfig, asked: str | None) -> str:
    """How the build groups its images, once it is clear that it can."""
    images = learning.store.images.serials(bank.id)
    check_supported(len(images), config)
    groups, known = asked_groups(images, asked)
    if known is not None:
        check_groups(known, config)
    return groups


def asked_groups(images: Sequence[tuple[str | None, Source]], asked: str | None) -> tuple[str, Groups | None]:
    """How images with these serial numbers are grouped, and the groups where it is by them.

    Raises GroupsError where only some have one, OneGroup.
    """
    marked = any(serial for serial, source in images if source == "upload")
    groups = asked or ("serial" if marked else "auto")
    return groups, by_parts([serial or "" for serial, _ in images]) if groups == "serial" else None


def cancel(learning: Learning, id: str, actor: str) -> Job:
    """Ends a queued job; tells a running one's worker. Raises NotFound, JobFinished."""
    job = learning.store.jobs.cancel(id, actor=actor)
    if learning.supervisor is not None:
        learning.supervisor.wake()
    return job


async def watch(learning: Learning, id: str) -> AsyncIterator[Job | None]:
    """The job now and whenever it moves, until it has ended; None where nothing moved for a while.

    Ends too when the server shuts down. Raises NotFound at once.
    """
    seen: tuple[Any, ...] = ()
    silent = 0.0
    while not learning.life.stopping.is_set():
        job = await learning.pools.background(lambda: learning.store.jobs.get(id))
        now = (job.state, job.stage, job.done, job.total, job.cancel_requested)
        silent = 0.0 if now != seen else silent + LOOK_SECONDS
        if now != seen or silent >= SILENCE_SECONDS:
            yield job if now != seen else None
            seen, silent = now, 0.0
        if job.state not in ACTIVE_STATES:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _idempotency(
    key: str | None, bank: str, actor: str, change: Mapping[str, Any], activate: bool, groups: str | None
) -> Idempotency | None:
    if key is None:
        return None
    said = json.dumps([bank, change, activate, groups], sort_keys=True)
    return Idempotency(f"{actor}:build", key, hashlib.sha256(said.encode()).hexdigest())
