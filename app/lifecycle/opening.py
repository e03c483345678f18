"""The service opened and closed in order: store, backbone, batcher, banks, worker; warm-up goes on behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from app.errors import AppError
from app.events.relay import Relay
from app.imaging.decode import ImageLimits
from app.insight.recall import Recall
from app.inspection.backbones import Backbones
from app.inspection.batcher import Batcher
from app.inspection.decoders import Decoders
from app.inspection.engine import Found, Work, run_batch
from app.inspection.gate import Gate, Memory
from app.inspection.inspecting import Inspecting
from app.inspection.ledger import Ledger
from app.inspection.registry import Key, Registry
from app.inspection.sampling import Sample
from app.inspection.thresholds import Calibrations
from app.learning.supervisor import Learning, Supervisor
from app.learning.warming import warm_here
from app.lifecycle import Census, Service
from app.lifecycle.hearing import hear
from app.lifecycle.keys import Admission
from app.lifecycle.pace import Pace
from app.lifecycle.provider import Provider
from app.lifecycle.quotas import Quotas
from app.lifecycle.trail import SECONDS, Trail
from app.lifecycle.upkeep import (
    ASKED_SECONDS,
    CLOCK,
    CLOCK_SECONDS,
    LONGEST_BEAT,
    QUARANTINE_SECONDS,
    WATCHES_A_LEASE,
    attempt,
    bank_built,
    beat,
    build_ended,
    count,
    every,
    keep_counting,
    look_at_clock,
    retry_quarantined,
    sweep,
    warm_up,
    watch_leases,
)
from app.ops.observed import Observed
from app.ops.process import Life, Pools, decoders, own_cores
from app.settings import Settings
from app.sources.watching import Sources
from app.store.signals import Listener
from app.store.store import Store, sample_rules
from models.backbone import Backbone

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_service(
    settings: Settings, observed: Observed, backbone: Backbone | None = None, worker: bool = True
) -> AsyncIterator[Service]:
    """The service of these settings; leaving the block drains it.

    ``backbone`` takes the place of the settings'. Without ``worker`` builds wait for a worker started elsewhere.
    Raises AppError and ModelError for what cannot be opened.
    """
    threads = own_cores(settings.threads)
    settings = settings.model_copy(update={"threads": threads})
    async with AsyncExitStack() as stack:
        store = await asyncio.to_thread(Store, settings)
        stack.callback(store.close)
        if settings.keys_file is not None:
            await asyncio.to_thread(store.keys.admit_file, settings.keys_file, actor="keys_file")
        backbones = await asyncio.to_thread(Backbones, settings, backbone)
        service = await _assembled(stack, settings, store, backbones, observed)
        if worker:
            own = backbones.default  # the worker builds in what the server chose
            chosen = settings.model_copy(update={"runtime": own.runtime, "precision": own.precision})
            has = own.digest, own.precision
            supervisor = Supervisor(chosen, store.leases, partial(_hear, service), has=has)
            service.learning.supervisor = supervisor
            service.life.at_drain.append(supervisor.begin_stop)
            supervisor.start()
        await attempt(service, "servers", partial(beat, service))
        await attempt(service, CLOCK, partial(look_at_clock, service))
        await count(service)  # so that the first question about health has its answer
        tasks = [asyncio.create_task(coroutine) for coroutine in _upkeep(service)]
        try:
            yield service
        finally:
            await drain(service)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(service.trail.flush)


async def drain(service: Service) -> None:
    """Begin nothing new, requeue the build, answer what is in flight, within the settings' time."""
    service.life.begin_drain()
    with contextlib.suppress(AppError):  # then it is silent instead
        await asyncio.to_thread(service.store.servers.leave, service.learning.server)
    await service.inspecting.batcher.drain(service.life.seconds_to_drain())
    if service.learning.supervisor is not None:
        await asyncio.to_thread(service.learning.supervisor.stop, service.life.seconds_to_drain())


async def _assembled(
    stack: AsyncExitStack, settings: Settings, store: Store, backbones: Backbones, observed: Observed
) -> Service:
    life, pools = Life(settings.drain_seconds), stack.enter_context(Pools())
    decoding, memory = Decoders(decoders(settings.threads or 1)), Memory(settings.memory_bytes)
    stack.callback(decoding.close)
    batcher: Batcher[Key, Work, Found] = await stack.enter_async_context(
        Batcher(
            run_batch,
            queue_size=settings.queue_size,
            batch_size=settings.batch_size,
            window=settings.batch_window_ms / 1e3,
            observer=observed.metrics,
        )
    )
    registry = Registry(store, backbones, settings.bank_memory_bytes, batcher.call)
    stack.callback(registry.close)
    calibrations = Calibrations(registry, store)
    ledger = Ledger(store)
    stack.callback(ledger.close)
    gate = Gate(2 * settings.queue_size, memory, lambda: batcher.load().seconds)
    life.at_drain.append(gate.close)
    limits = ImageLimits(settings.max_image_bytes, settings.max_pixels)
    inspecting = Inspecting(
        settings,
        store,
        backbones,
        batcher,
        decoding,
        memory,
        registry,
        calibrations,
        ledger,
        gate,
        observed.metrics,
        pools,
        life,
        limits,
        None if (rules := sample_rules(settings)) is None else Sample(rules),
    )
    learning = Learning(settings, store, inspecting, pools, life)
    trail = Trail(store.audit)
    provider = None if settings.oidc_issuer is None else Provider(settings)
    admission = Admission(store.keys, store.people, store.sessions, trail, closed=provider is not None)
    recall = Recall(inspecting)
    listener = Listener(store.database, lambda kind, subject: hear(service, kind, subject))
    relay = Relay(store, settings, observed.metrics, life.inspects, partial(listener.tell, "events"))
    relay.start()
    stack.push_async_callback(asyncio.to_thread, relay.stop, settings.drain_seconds)
    parts = settings, store, pools, life, observed, inspecting, recall, learning, admission, trail, provider
    service = Service(*parts, Census(), Quotas(), Pace(), relay, Sources(inspecting), listener)
    listener.start()
    stack.push_async_callback(asyncio.to_thread, listener.stop)
    return service


def _upkeep(service: Service) -> list[Coroutine[Any, Any, None]]:
    settings = service.settings
    return [
        _start(service),
        keep_counting(service),
        service.sources.run(),
        service.life.beat(),
        every(service, settings.retention_interval_seconds, "retention", lambda: sweep(service)),
        every(
            service,
            min(LONGEST_BEAT, settings.lease_seconds / WATCHES_A_LEASE),
            "servers",
            partial(beat, service),
        ),
        every(service, ASKED_SECONDS, "warming", lambda: warm_here(service.learning)),
        every(service, QUARANTINE_SECONDS, "quarantine", lambda: retry_quarantined(service)),
        every(service, CLOCK_SECONDS, CLOCK, partial(look_at_clock, service)),
        every(service, SECONDS, "audit", lambda: service.pools.background(service.trail.flush)),
        every(service, settings.lease_seconds / WATCHES_A_LEASE, "leases", lambda: watch_leases(service)),
    ]


def _hear(service: Service, event: dict[str, Any]) -> None:
    """On the supervisor's thread: what the worker says. What becomes of this failing is in the log of the loading."""

    async def heard() -> None:
        with contextlib.suppress(AppError):
            if event.get("state") == "built":
                await bank_built(service, str(event.get("sha256")), str(event.get("bank")))
            else:
                await build_ended(service, str(event.get("job")))

    if not service.life.draining:
        asyncio.run_coroutine_threadsafe(heard(), service.life.loop)


async def _start(service: Service) -> None:
    try:
        await warm_up(service)
        await retry_quarantined(service)
        await service.recall.warm()
    except Exception as error:
        service.life.faults["warm-up"] = str(error)
        log.exception("the server could not warm up")
