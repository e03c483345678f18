"""Health on four levels: the process lives, it can answer, how the whole is, how one bank is; and its gauges."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from app import __version__
from app.errors import AppError
from app.inspection.registry import Key, Loaded
from app.inspection.thresholds import effective
from app.lifecycle import Counted, Service, vitals
from app.lifecycle.vitals import State
from app.store.schema import Bank, Version
from app.store.scope import Scope
from core.errors import CoreError
from core.judging.calibration import supported_rate

STATES = ("ready", "loading", "not_loaded", "no_version", "quarantined", "undecidable")
OF_BANK, OF_FOLDER, OF_CAMERA = "bank:", "folder:", "camera:"  # begin the names of their faults


def is_ready(service: Service) -> bool:
    """Warm, and not shutting down; nothing else makes a server unready."""
    return service.life.ready and not service.life.draining


def overall(service: Service, known: Scope | None) -> State:
    """How the whole is. ``known`` names the banks of its scope and what is wrong with them; None gets only numbers."""
    counted = service.census.latest
    faults = _faults(service, counted)
    found: State = {
        "status": "ok" if not faults else "degraded",
        "ready": is_ready(service),
        "draining": service.life.draining,
        "faults": sorted({name.partition(":")[0] for name in faults}),
        "uptime_seconds": round(time.monotonic() - service.life.started, 3),
        "started_at": service.life.started_at.isoformat(),
        "versions": vitals.versions(),
        "backbone": vitals.backbone(service),
        "queue": vitals.queue(service),
        "memory": vitals.memory(service),
        "disk": {"free_bytes": service.store.blobs.staging.free_bytes(), "reserve_bytes": _reserve(service)},
        "database": counted.database,
        "worker": vitals.worker(service),
        "retention": vitals.retention(service.settings),
        "banks": _numbers(counted.banks),
    }
    if known is None:
        return found
    states = {id: each for id, each in counted.banks.items() if _sees(known, id)}
    folders = [vars(each) for each in service.sources.states() if _sees(known, each.bank)]
    seen = {f"{OF_FOLDER}{each['folder']}" for each in folders} | {f"{OF_BANK}{id}" for id in states}
    cameras = [vars(each) for each in service.sources.camera_states() if _sees(known, each.bank)]
    seen |= {f"{OF_CAMERA}{each['source']}" for each in cameras}
    limited = OF_BANK, OF_FOLDER, OF_CAMERA
    kept = {name: why for name, why in faults.items() if not name.startswith(limited) or name in seen}
    own = {"bank_states": states, "folders": folders, "cameras": cameras}
    return found | {"fault_reasons": kept, **own}


def _sees(scope: Scope, bank: str) -> bool:
    return scope.banks is None or bank in scope.banks


async def of_bank(service: Service, id: str, check: bool) -> State:
    """How one bank is. ``check`` loads its version and scores the conformance images now. Raises NotFound."""
    bank, version = await service.pools.background(lambda: _bank_and_version(service, id))
    error: str | None = None
    if check and version is not None:
        try:
            await service.inspecting.registry.check(
                await service.inspecting.registry.retry(Key.of(version), pinned=bank.pinned)
            )
        except AppError as refused:
            error = str(refused)
            bank, version = await service.pools.background(lambda: _bank_and_version(service, id))
    loaded = service.inspecting.registry.peek(Key.of(version)) if version else None
    standing = service.inspecting.calibrations.standing
    state, reason = await service.pools.background(lambda: standing(bank, version))
    images, size = await service.pools.background(lambda: service.store.images.totals(id))
    return {
        "bank": id,
        "state": state,
        "reason": reason or error,
        "version": version.number if version else None,
        "pinned": bank.pinned,
        "nominal_images": images,
        "nominal_bytes": size,
        "supported_false_reject": supported_rate(images),
        "loaded": _loaded(bank, loaded) if loaded else None,
    }


def _loaded(bank: Bank, loaded: Loaded) -> State:
    content = loaded.engine.bank
    try:
        thresholds = vars(effective(bank, content))
    except CoreError:
        thresholds = None  # the bank's own wishes, which the version does not support, are in its row
    return {
        "bytes": loaded.bytes,
        "load_seconds": round(loaded.seconds, 3),
        "vectors": len(content.vectors),
        "thresholds": thresholds,
        "conformance": {
            "images": len(content.conformance.images),
            "difference": loaded.difference,
            "tolerance": content.conformance.tolerance,
            "checked_at": datetime.fromtimestamp(loaded.checked_at, UTC).isoformat(),
        },
    }


def _bank_and_version(service: Service, id: str) -> tuple[Bank, Version | None]:
    bank = service.store.banks.get(id)
    return bank, service.store.versions.active(bank)


def _numbers(banks: Mapping[str, State]) -> dict[str, int]:
    """How many banks are in each state."""
    found = dict.fromkeys(STATES, 0)
    for each in banks.values():
        found[each["state"]] += 1
    return found


def _faults(service: Service, counted: Counted) -> dict[str, str]:
    """What a person should look at, by name."""
    faults = dict(service.life.faults)
    if counted.error is not None:
        faults["database"] = counted.error
    if counted.lost is not None:
        faults["files"] = counted.lost
    for id, each in counted.banks.items():
        if each["state"] in ("quarantined", "undecidable"):
            faults[f"{OF_BANK}{id}"] = each["reason"] or each["state"]
    for folder in service.sources.states():
        if folder.fault is not None:
            faults[f"{OF_FOLDER}{folder.folder}"] = folder.fault
    for camera in service.sources.camera_states():
        if camera.fault is not None:
            faults[f"{OF_CAMERA}{camera.source}"] = camera.fault
    if service.store.blobs.staging.free_bytes() < _reserve(service):
        faults["disk"] = "the reserve is touched: uploads are refused, and inspected images are not kept"
    if (
        service.learning.supervisor is not None
        and service.learning.supervisor.pid is None
        and not service.life.draining
    ):
        faults["worker"] = "the build worker does not run"
    return faults


def _reserve(service: Service) -> int:
    return service.store.blobs.staging.reserve


def metrics(service: Service, accept: str) -> tuple[bytes, str]:
    """(the text, its media type), as it is now; where many ask at once, as it was moments ago."""
    if service.pace.hurried and (known := service.pace.texts.get(accept)) is not None:
        return known
    refresh_gauges(service)
    made = service.pace.texts[accept] = service.inspecting.metrics.render(accept)
    return made


def refresh_gauges(service: Service) -> None:
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
    metrics.memory_in_flight_bytes.set(service.inspecting.memory.used)
    metrics.memory_budget_bytes.set(service.inspecting.memory.budget)
    metrics.decoding_length.set(service.inspecting.decoders.waiting)
    metrics.disk_free_bytes.set(service.store.blobs.staging.free_bytes())
    sizes: Counter[str] = Counter()
    for loaded in service.inspecting.registry.loaded():
        sizes[loaded.key.bank] += loaded.bytes
    metrics.set_bank_bytes(sizes)
    counted = service.census.latest
    metrics.versions_quarantined.set(_numbers(counted.banks)["quarantined"])
    for state, number in counted.jobs.items():
        metrics.jobs.labels(state).set(number)
    for folder in service.sources.states():
        metrics.folder_waiting.labels(folder.folder).set(folder.waiting)
        metrics.folder_well.labels(folder.folder).set(folder.fault is None)
    for camera in service.sources.camera_states():
        metrics.camera_well.labels(camera.source).set(camera.fault is None)
    metrics.set_event_depths(counted.events)
