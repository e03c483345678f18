"""The service opened, kept up, watched and closed: what runs, and whether it is well. Here is what it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.events.relay import Relay
from app.insight.recall import Recall
from app.inspection.inspecting import Inspecting
from app.learning.supervisor import Learning
from app.lifecycle.keys import Admission
from app.lifecycle.pace import Pace
from app.lifecycle.provider import Provider
from app.lifecycle.quotas import Quotas
from app.lifecycle.trail import Trail
from app.ops.observed import Observed
from app.ops.process import Life, Pools
from app.settings import Settings
from app.sources.watching import Sources
from app.store.outbox import Depth
from app.store.signals import Listener
from app.store.store import Store


@dataclass(frozen=True)
class Counted:
    """What was found: banks by id with state and reason, active jobs by state; ``error`` where the database failed.

    lost: what to say of stored files that are lost, if any are. events: those of each sink that wait or are dead.
    """

    database: dict[str, Any]
    banks: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    jobs: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    lost: str | None = None
    events: Mapping[str, Depth] = field(default_factory=dict)


@dataclass(eq=False)
class Census:
    """The last count. ``task`` is one that the database still keeps waiting."""

    latest: Counted = Counted({"error": "not counted yet"}, error="not counted yet")
    task: asyncio.Future[Counted] | None = None


@dataclass(frozen=True, eq=False)
class Service:
    """Made by ``app.lifecycle.opening.open_service`` and by nothing else."""

    settings: Settings
    store: Store
    pools: Pools
    life: Life
    observed: Observed
    inspecting: Inspecting
    recall: Recall
    learning: Learning
    admission: Admission
    trail: Trail
    provider: Provider | None
    census: Census
    quotas: Quotas
    pace: Pace
    relay: Relay
    sources: Sources
    listener: Listener
