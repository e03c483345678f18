"""The service opened, kept up, watched and closed: what runs, and whether it is well. Here is what it serves."""

from __future__ import annotations

from dataclasses import dataclass

from app.inspection.inspect import Inspecting
from app.learning.supervisor import Learning
from app.lifecycle.keys import Admission
from app.lifecycle.trail import Trail
from app.ops.observed import Observed
from app.ops.process import Life, Pools
from app.settings import Settings
from app.store.store import Store


@dataclass(frozen=True, eq=False)
class Service:
    """Made by ``app.lifecycle.opening.open_service`` and by nothing else."""

    settings: Settings
    store: Store
    pools: Pools
    life: Life
    observed: Observed
    inspecting: Inspecting
    learning: Learning
    admission: Admission
    trail: Trail
