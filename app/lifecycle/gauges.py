"""The gauges of /metrics, set when they are asked for."""

from __future__ import annotations

from collections import Counter

from app import __version__
from app.lifecycle.health import is_ready
from app.lifecycle.service import Service
from app.lifecycle.upkeep import all_banks
from app.store.errors import NotFound
from app.store.schema import ACTIVE_STATES


async def refresh(service: Service) -> None:
    """Set every gauge to what is now."""
    metrics, own = service.inspecting.metrics, service.inspecting.backbones.default
    info = {
        "version": __version__,
        "backbone": own.spec.name,
        "runtime": own.runtime,
        "precision": own.precision,
    }
    metrics.build_info.info(info)
    metrics.ready.set(is_ready(service))
    metrics.queue_length.set(service.inspecting.batcher.load().queued)
    metrics.disk_free_bytes.set(service.store.blobs.staging.free_bytes())
    sizes: Counter[str] = Counter()
    for loaded in service.inspecting.registry.loaded():
        sizes[loaded.key[0]] += loaded.bytes
    metrics.set_bank_bytes(sizes)
    quarantined, jobs = await service.pools.background(lambda: (_quarantined(service), _jobs(service)))
    metrics.versions_quarantined.set(quarantined)
    for state, count in jobs.items():
        metrics.jobs.labels(state).set(count)


def _quarantined(service: Service) -> int:
    """Banks whose active version is in quarantine."""
    count = 0
    for bank in all_banks(service):
        if bank.active_version is not None:
            try:
                count += service.store.versions.get(bank.id, bank.active_version).state == "quarantined"
            except NotFound:  # deleted between the two
                continue
    return count


def _jobs(service: Service) -> dict[str, int]:
    pages = {state: service.store.jobs.page(state=state, limit=1000) for state in ACTIVE_STATES}
    return {state: len(page.items) for state, page in pages.items()}
