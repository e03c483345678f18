"""What runs beside the requests: warm-up, pinned banks, retention, leases of lost workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from app.errors import AppError
from app.inspection.backbones import rehearse
from app.inspection.registry import UNFIT, Key
from app.lifecycle import Service
from app.store.page import MAX_LIMIT
from app.store.schema import Bank

WATCHES_A_LEASE = 4

log = logging.getLogger(__name__)


async def warm_up(service: Service) -> None:
    """A real forward pass and search, then the pinned banks; from then on the server is ready, for good."""
    await service.inspecting.batcher.call(lambda: rehearse(service.inspecting.backbones.default))
    banks = await service.pools.background(lambda: all_banks(service))
    for key in [key for bank in banks if bank.pinned and (key := Key.active(bank))]:
        with contextlib.suppress(AppError):  # the reason is logged, and kept with the version
            await service.inspecting.registry.get(key, pinned=True)
    service.life.ready = True
    service.inspecting.gate.open()
    log.info("ready")


async def retry_quarantined(service: Service) -> None:
    """Try active versions in quarantine once more: the cause may have been this machine's, and be gone."""
    for bank in await service.pools.background(lambda: all_banks(service)):
        with contextlib.suppress(AppError):
            version = await service.pools.background(partial(service.store.versions.active, bank))
            if version is not None and version.state == "quarantined":
                await service.inspecting.registry.retry(Key.of(version))


def all_banks(service: Service) -> list[Bank]:
    """Every bank, by id."""
    page = service.store.banks.page(limit=MAX_LIMIT)
    found = [*page.items]
    while page.next is not None:
        page = service.store.banks.page(after=page.next, limit=MAX_LIMIT)
        found += page.items
    return found


async def every(service: Service, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do ``work`` every so many seconds until the service stops; what fails is logged, in /health, and tried again."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await service.life.stopping.wait()
                return
        try:
            await work()
            service.life.faults.pop(name, None)
        except Exception as error:
            service.life.faults[name] = str(error)
            log.error("%s failed: %s", name, error, exc_info=None if isinstance(error, AppError) else error)


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
    collected = await service.pools.background(store.collect)
    log.info(
        "swept",
        extra={
            "inspections": deleted,
            "images": released,
            "blobs": collected.blobs,
            "blob_bytes": collected.bytes,
        },
    )


async def watch_leases(service: Service) -> None:
    """Requeue jobs whose worker fell silent, wherever it ran."""
    for job in await service.pools.background(service.store.lease_watch.sweep):
        log.warning("job taken from a silent worker", extra={"job": job.id, "state": job.state})


async def bank_built(service: Service, sha256: str) -> None:
    """A bank of this server's worker is about to be activated: load it while the version before it serves on."""
    try:
        await service.inspecting.registry.prepare(sha256)
    except UNFIT as error:  # its first loading as a version tries again, and keeps the reason with it
        log.warning("a bank could not be prepared: %s", error)
    finally:
        if service.learning.supervisor is not None:
            service.learning.supervisor.tell(sha256)


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
    service.inspecting.registry.forget_prepared()
