"""The running service: what it serves, each with what that takes."""

from __future__ import annotations

from dataclasses import dataclass

from app.inspection.inspecting import Inspecting
from app.learning.learning import Learning
from app.lifecycle.keys import Admission
from app.ops.life import Life
from app.ops.observed import Observed
from app.ops.pools import Pools
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
