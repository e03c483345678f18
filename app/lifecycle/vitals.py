"""What /health tells of each part: versions, backbone, queue, memory, worker, database."""

from __future__ import annotations

import platform
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from sqlalchemy import text

from app import __version__
from app.lifecycle.service import Service
from app.store import migrate
from app.store.schema import Job

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


def queue(service: Service) -> State:
    """How much waits, and how long it will."""
    load = service.inspecting.batcher.load()
    return {
        "waiting": load.queued,
        "computing": load.running,
        "size": service.settings.queue_size,
        "in_flight": service.inspecting.gate.requests,
        "seconds_per_image": load.seconds_per_item,
        "seconds_to_empty": round(load.seconds, 4),
    }


def memory(service: Service) -> State:
    """Of the process and of the loaded banks, in bytes."""
    return {
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
    jobs = service.store.jobs.page(limit=1).items
    return {
        "kind": database.engine.dialect.name,
        "milliseconds": round((time.perf_counter() - started) * 1e3, 3),
        "revision": revision,
        "last_build": _build(jobs[0]) if jobs else None,
    }


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
