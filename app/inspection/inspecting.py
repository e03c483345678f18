"""What inspecting takes: loaded banks, the queue, the ledger, and the limits they keep."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from app.imaging.decode import ImageLimits
from app.inspection.backbones import Backbones
from app.inspection.batch import Work
from app.inspection.batching import Batcher
from app.inspection.calibrations import Calibrations
from app.inspection.engine import Inspection
from app.inspection.gate import Gate
from app.inspection.ledger import Ledger
from app.inspection.registry import Key, Registry
from app.ops.life import Life
from app.ops.metrics import Metrics
from app.ops.pools import Pools
from app.settings import Settings
from app.store.schema import Decision
from app.store.store import Store


@dataclass(frozen=True, eq=False)
class Inspecting:
    """Made by ``app.lifecycle.opening`` and by nothing else. comparing: held while two versions are compared."""

    settings: Settings
    store: Store
    backbones: Backbones
    batcher: Batcher[Key, Work, Inspection]
    registry: Registry
    calibrations: Calibrations
    ledger: Ledger
    gate: Gate
    metrics: Metrics
    pools: Pools
    life: Life
    comparing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def image_limits(self) -> ImageLimits:
        """What one image may ask for."""
        return ImageLimits(self.settings.max_image_bytes, self.settings.max_pixels)

    def keeps(self, decision: Decision) -> bool:
        """Whether the policy keeps the image of an inspection decided so."""
        keep = self.settings.image_keep
        return keep == "all" or (keep == "rejected" and decision != "accept")
