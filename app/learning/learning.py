"""What learning takes: the store, the threads that receive uploads, the supervisor of the build worker."""

from __future__ import annotations

from dataclasses import dataclass

from app.inspection.inspecting import Inspecting
from app.learning.supervisor import Supervisor
from app.ops.life import Life
from app.ops.pools import Pools
from app.settings import Settings
from app.store.store import Store


@dataclass(eq=False)
class Learning:
    """supervisor: of this server's worker; None where builds wait for one started elsewhere.

    inspecting: where a version is proven before it is activated.
    """

    settings: Settings
    store: Store
    inspecting: Inspecting
    pools: Pools
    life: Life
    supervisor: Supervisor | None = None
