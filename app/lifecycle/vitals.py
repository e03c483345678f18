"""What is reported of each part: what serves with its licences, backbone, queue, memory, worker, database."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import Any

import psutil
from sqlalchemy import text

from app import __version__
from app.lifecycle import Service
from app.ops.process import available_cores
from app.settings import Settings
from app.store import migrate
from app.store.schema import Job
from models.processor import noted

State = dict[str, Any]


def versions() -> dict[str, str | None]:
    """Of what computes."""
    found = {name: _version(name) for name in ("torch", "faiss-cpu", "numpy", "fastapi")}
    return {"nominal": __version__, "python": platform.python_version(), **found}


def backbone(service: Service) -> State:
    """The server's own; a bank of another one brings it along."""
    own = service.inspecting.backbones.default
    return {
        "name": own.spec.name,
        "weights": own.digest,
        "source": own.source,
        "runtime": own.runtime,
        "precision": own.precision,
        "considered": [
            {
                "runtime": each.runtime,
                "precision": each.precision,
                "milliseconds": each.milliseconds and round(each.milliseconds, 2),
                "difference": each.difference,
                "refused": each.refused,
            }
            for each in own.considered
        ],
    }


def retention(settings: Settings) -> State:
    """Which images are kept, and for how many days inspections are; 0 days are for ever."""
    kept: State = {"images": settings.image_keep}
    if settings.image_keep == "sample":
        kept |= {"sample_count": settings.image_sample_count, "sample_bytes": settings.image_sample_bytes}
    days = {
        name: getattr(settings, f"retain_{name}_days") for name in ("accept", "review", "reject", "reviewed")
    }
    return kept | {"days": days}


def queue(service: Service) -> State:
    """How much waits, and how long it will."""
    load = service.inspecting.batcher.load()
    return {
        "waiting": load.queued,
        "computing": load.running,
        "size": service.settings.queue_size,
        "in_flight": service.inspecting.gate.requests,
        "to_decode": service.inspecting.decoders.waiting,
        "seconds_per_image": load.seconds_per_item,
        "seconds_to_empty": round(load.seconds, 4),
    }


def memory(service: Service) -> State:
    """Of the process, of what is in flight and of the loaded banks, in bytes."""
    flight = service.inspecting.memory
    return {
        "in_flight_bytes": flight.used,
        "in_flight_peak_bytes": flight.peak,
        "in_flight_budget_bytes": flight.budget,
        "resident_bytes": psutil.Process().memory_info().rss,
        "available_bytes": psutil.virtual_memory().available,
        "banks_bytes": service.inspecting.registry.bytes(),
        "banks_budget_bytes": service.inspecting.registry.budget_bytes,
        "banks_loaded": len(service.inspecting.registry.loaded()),
    }


def worker(service: Service) -> State | None:
    """The build worker; None where this server has none."""
    supervisor = service.learning.supervisor
    return (
        None if supervisor is None else {"alive": supervisor.pid is not None, "restarts": supervisor.restarts}
    )


def database(service: Service) -> State:
    started = time.perf_counter()
    database = service.store.database
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        revision = migrate.current(connection)
    jobs = service.store.jobs.page(kind="build", limit=1).items
    return {
        "kind": database.engine.dialect.name,
        "milliseconds": round((time.perf_counter() - started) * 1e3, 3),
        "revision": revision,
        "last_build": _build(jobs[0]) if jobs else None,
    }


def lost(service: Service) -> str | None:
    """What to say of stored files that were lost or damaged when all were looked at last."""
    if (found := service.store.lost()) is None:
        return None
    count, when = found
    return (
        f"{count} stored files were lost or damaged on {when:%Y-%m-%d %H:%M} UTC: 'nominal store verify' names them, "
        "'nominal store heal' takes them back"
    )


def _build(job: Job) -> State:
    return {
        "state": job.state,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


DISTRIBUTION = "nominal-inspection"
PACKAGES = (
    "torch", "torchvision", "faiss-cpu", "openvino", "numpy", "scipy", "pillow", "fastapi", "uvicorn", "sqlalchemy",
    "nicegui",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Something with a release and a licence."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True)
class Processor:
    """Cores this process may use, and the features that inference gains from."""

    machine: str
    cores: int
    features: tuple[str, ...]


def parts(service: Service) -> list[Part]:
    """Nominal, the backbone, and the packages at hand."""
    spec = service.inspecting.backbones.default.spec
    own = [
        Part("nominal", __version__, _licence(DISTRIBUTION)),
        Part(spec.name, service.inspecting.backbones.default.digest[:12], spec.licence),
    ]
    return own + [part for name in PACKAGES if (part := _part(name)) is not None]


def processor() -> Processor:
    """This machine's."""
    return Processor(platform.machine(), available_cores(), noted())


def _part(name: str) -> Part | None:
    try:
        return Part(name, metadata(name)["Version"], _licence(name))
    except PackageNotFoundError:
        return None


def _licence(name: str) -> str:
    """As the package states it in a few words; else by its classifier."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = found.get_all("Classifier") or []
    named = [value.rpartition(" :: ")[2] for value in classifiers if value.startswith("License")]
    said = next((found[field] for field in ("License-Expression", "License") if field in found), "")
    plain = " AND ".join(dict.fromkeys(said.split(" AND ")))
    return plain if "\n" not in plain else next(iter(named), plain.partition("\n")[0])
