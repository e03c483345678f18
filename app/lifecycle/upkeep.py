"""What runs beside the requests: warm-up, pinned banks, retention, leases of lost workers, the census.

The census counts how many banks are in which state, which jobs wait, and how the database is. A question about health
or metrics takes what was counted last, so that it costs the same at ten thousand banks. One count is a few queries,
however many banks there are. It is made once a second, and seldomer where it takes long.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from app import __version__
from app.errors import AppError
from app.inspection.backbones import rehearse
from app.inspection.registry import UNFIT, Key
from app.learning import advices
from app.learning.warming import warm_elsewhere
from app.lifecycle import Census, Counted, Service, vitals
from app.store.schema import Job
from app.store.servers import Means
from core.errors import CoreError

WATCHES_A_LEASE = 4
LONGEST_BEAT = 5.0  # seconds between two heartbeats of a server
ASKED_SECONDS = 1.0  # between two looks at what other servers ask for, without signals
CLOCK, CLOCK_SECONDS = "clock", 60.0
QUARANTINE_SECONDS = 15.0  # between looks whether a quarantined version is to be tried again
COUNT_SECONDS = 1.0  # between two counts at least
COUNT_SHARE = 20  # counting takes at most one in so many seconds
PATIENCE = 2.0  # seconds that a count waits for the database

log = logging.getLogger(__name__)


async def warm_up(service: Service) -> None:
    """A real forward pass and search, then the pinned banks; from then on the server is ready, for good."""
    await service.inspecting.batcher.call(lambda: rehearse(service.inspecting.backbones.default))
    banks = await service.pools.background(service.store.banks.with_versions)
    for key in [key for bank, _ in banks if bank.pinned and (key := Key.active(bank))]:
        with contextlib.suppress(AppError):  # the reason is logged, and kept with the version
            await service.inspecting.registry.get(key, pinned=True)
    service.life.ready = True
    service.inspecting.gate.open()
    log.info("ready")


async def retry_quarantined(service: Service) -> None:
    """Try active versions in quarantine once more, each after longer pauses: the cause may be gone."""
    registry, store = service.inspecting.registry, service.store
    for id in [id for id, each in service.census.latest.banks.items() if each["state"] == "quarantined"]:
        with contextlib.suppress(AppError):
            bank = await service.pools.background(partial(store.banks.get, id))
            key = Key.active(bank)
            if key is not None and registry.fitness.is_due(key):
                await registry.retry(key, pinned=bank.pinned)


async def every(service: Service, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
    """``attempt`` it every so many seconds until the service stops."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await service.life.stopping.wait()
                return
        await attempt(service, name, work)


async def attempt(service: Service, name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do ``work``; why it fails is in /health until it succeeds, and logged once."""
    faults = service.life.faults
    try:
        await work()
        faults.pop(name, None)
    except Exception as error:
        if faults.get(name) != str(error):
            log.error("%s failed: %s", name, error, exc_info=None if isinstance(error, AppError) else error)
        faults[name] = str(error)


async def look_at_clock(service: Service) -> None:
    """Raises ``ClockJumped`` where the machine's clock cannot be believed (app/store/timekeeping.py)."""
    (await service.pools.background(service.store.time.look)).refuse()


async def sweep(service: Service) -> None:
    """Retention of inspections and of the sample of accepted images, forgotten keys, blobs nothing refers to."""
    store = service.store
    released = await service.pools.background(
        store.samples.sweep
    )  # first: it needs no clock that is believed
    if service.inspecting.sample is not None:
        service.inspecting.sample.swept()
    deleted = await service.pools.background(store.retention.sweep)
    await service.pools.background(store.jobs.forget_keys)
    events = await service.pools.background(store.outbox.sweep)
    collected = await service.pools.background(store.collect)
    log.info(
        "swept",
        extra={
            "inspections": deleted,
            "images": released,
            "events": events,
            "blobs": collected.blobs,
            "blob_bytes": collected.bytes,
        },
    )


async def watch_leases(service: Service) -> None:
    """Requeue jobs whose worker fell silent, wherever it ran."""
    for job in await service.pools.background(service.store.lease_watch.sweep):
        log.warning("job taken from a silent worker", extra={"job": job.id, "state": job.state})


async def bank_built(service: Service, sha256: str, bank: str = "") -> None:
    """A bank of this server's worker is about to be activated: all servers load it while the version before serves."""
    try:
        await service.inspecting.registry.prepare(sha256)
        size = await service.pools.background(lambda: service.store.blobs.size(sha256))
        await warm_elsewhere(service.learning, bank, sha256, size)
    except (
        *UNFIT,
        AppError,
    ) as error:  # its first loading as a version tries again, and keeps the reason with it
        log.warning("a bank could not be prepared: %s", error)
    finally:
        if service.learning.supervisor is not None:
            service.learning.supervisor.tell(sha256)


async def beat(service: Service) -> None:
    """Say that this server lives and what it has, load what others ask for, name what queued jobs wait for."""
    service.inspecting.registry.forget_prepared()
    own, learning = service.inspecting.backbones.default, service.learning
    means = Means(own.spec.name, own.digest, own.precision, works=learning.supervisor is not None)
    unfit = {
        f"{key.bank}/{key.number}": why for key, why in service.inspecting.registry.fitness.unfit().items()
    }
    servers = service.store.servers
    await service.pools.background(lambda: servers.beat(learning.server, __version__, means, unfit))
    for job in await service.pools.background(servers.name_what_is_missing):
        log.warning("a job waits: %s", job.waits_for, extra={"job": job.id})


async def build_ended(service: Service, id: str) -> None:
    """A job of this server's worker has ended: count it, and have its version ready under its number."""
    job = await service.pools.background(lambda: service.store.jobs.get(id))
    if job.kind != "build":
        return
    if job.started_at is not None and job.finished_at is not None:
        service.inspecting.metrics.build_ended(
            job.bank, job.state, (job.finished_at - job.started_at).total_seconds()
        )
    bank = await service.pools.background(lambda: service.store.banks.get(job.bank))
    key = Key.active(bank)
    if job.state == "succeeded" and key is not None and key.number == job.version:
        await service.inspecting.registry.get(key, pinned=bank.pinned)
    if job.state == "succeeded" and service.settings.advise_after_build:
        await service.pools.background(lambda: advise(service, job))


def advise(service: Service, job: Job) -> None:
    """Queue advice on a built bank, as who asked for the build; none where it has it, or one is under way."""
    try:
        if not advices.look(service.learning, job.bank).current:
            advices.start(service.learning, job.bank, job.actor, groups=job.request["groups"])
    except (AppError, CoreError) as refused:
        log.info("no advice after the build: %s", refused, extra={"job": job.id})


# The census


async def count(service: Service) -> None:
    """Count now; a sick database must not hang its own diagnosis, nor be asked twice at once."""
    census = service.census
    task = census.task or asyncio.ensure_future(service.pools.background(lambda: _look(service)))
    census.task = task
    done, _ = await asyncio.wait({task}, timeout=PATIENCE)
    if not done:
        return _failed(census, f"no answer within {PATIENCE:g} s")
    census.task = None
    try:
        census.latest = task.result()
    except Exception as error:  # whatever it is, health must say so
        if not isinstance(error, AppError | SQLAlchemyError):
            log.exception("the banks could not be counted")
        _failed(census, type(error).__name__)


async def keep_counting(service: Service) -> None:
    """Until the service stops."""
    while not service.life.stopping.is_set():
        started = time.monotonic()
        await count(service)
        pause = max(COUNT_SECONDS, COUNT_SHARE * (time.monotonic() - started))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await service.life.stopping.wait()


def _failed(census: Census, error: str) -> None:
    """The banks are as they were last."""
    last = census.latest
    census.latest = Counted({"error": error}, last.banks, last.jobs, error, last.lost, last.events)


def _look(service: Service) -> Counted:
    standing = service.inspecting.calibrations.standing
    banks = {}
    for bank, version in service.store.banks.with_versions():
        service.inspecting.noted(bank)
        state, reason = standing(bank, version)
        banks[bank.id] = {"state": state, "reason": reason}
    jobs, lost = service.store.jobs.active(), vitals.lost(service)
    return Counted(vitals.database(service), banks, jobs, lost=lost, events=service.store.outbox.depths())
